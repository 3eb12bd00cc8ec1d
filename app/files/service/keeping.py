"""What is done on the side: uploads that nobody goes on with and files whose job was given up end, and bytes that
belong to no row are removed."""

import re
from datetime import timedelta

from app.core.clock import now
from app.core.db import Database
from app.core.direct_uploads import direct_uploads
from app.core.settings import FileSettings, StorageSettings
from app.core.storage import ObjectMissing, Storage, StorageError, discard
from app.core.telemetry import get_logger
from app.files.repository import Policy, ProcessedFiles
from app.files.repository.uploads import unknown_keys
from app.files.service import direct, resumable
from app.files.service.deleting import end
from app.files.service.processing import end_abandoned

log = get_logger(__name__)

ROWS = 500
# Of files, of uploads' pieces, of recordings' parts, of what was made of files, of mails, and of what a crash left
# half-written of any; anything else in the store is not ours to judge.
_OURS = re.compile(
    r"(uploads/|parts/|derived/|mail/)?\d{4}/\d\d/\d\d/(?:[0-9a-f-]{36}|\.[0-9a-f-]{36}\.[0-9a-f]{8}\.part)"
)


async def remove_unknown(db: Database, storage: Storage, key: str) -> None:
    """Delete an object unless a row still has it. Raises StorageError.

    No row can take the key up again in between: rows get it only from a row that has it.
    """
    async with db.reading() as session:
        unknown = await unknown_keys(session, [key])
    if unknown:
        await storage.delete(key)


async def drop_direct(storage: Storage, settings: StorageSettings, key: str, token: str) -> None:
    """What was sent of an upload into the bucket, in parts or already as one; what stays is collected, or invisible."""
    bucket = direct_uploads(storage, settings)
    if bucket is None:
        return
    try:
        await bucket.abort(key, token)
    except ObjectMissing:
        await discard(storage, [key])
    except StorageError as error:
        log.warning("upload_left_behind", key=key, error=type(error).__name__)


async def end_expired_direct(db: Database, storage: Storage, settings: StorageSettings) -> None:
    more = True
    while more:
        async with db.unit_of_work() as session:
            ended = await direct.end_expired(session, limit=ROWS)
        for key, token, is_file in ended:
            if not is_file:
                await drop_direct(storage, settings, key, token)
        more = len(ended) == ROWS


async def end_expired_uploads(db: Database, storage: Storage) -> None:
    while True:
        async with db.unit_of_work() as session:
            keys = await resumable.end_expired(session, limit=ROWS)
        if not keys:
            return
        await discard(storage, keys)


async def end_abandoned_files(db: Database) -> None:
    """Fail the files whose job was given up without their being told."""
    ended = ROWS
    while ended == ROWS:
        async with db.unit_of_work() as session:
            ended = await end_abandoned(session, limit=ROWS)
        if ended:
            log.warning("files_abandoned", files=ended)


async def retire(db: Database, settings: FileSettings) -> int:
    """Delete what the settings do not want kept any longer, a batch a transaction, and say how many files."""
    retired = 0
    for policy in (
        Policy("closed", settings.keep_closed_days),
        Policy("quarantined", settings.keep_quarantined_days),
        Policy("unattached", settings.keep_unattached_days),
    ):
        more = policy.days > 0
        while more:
            async with db.unit_of_work() as session:
                files = await ProcessedFiles(session).expired(policy, limit=ROWS)
                await end(session, files, actor_id=None, action="expired", reason=policy.reason)
            retired += len(files)
            more = len(files) == ROWS
    if retired:
        log.info("files_retired", files=retired)
    return retired


async def collect_orphans(db: Database, storage: Storage, settings: FileSettings) -> int:
    """Remove objects without a row that are older than the grace time, and say how many they were.

    A row is written at most minutes after its object, and never for an object so old, so what has none gets none.
    """
    removed = 0
    batch: list[str] = []
    try:
        async for key in storage.listed(before=now() - timedelta(hours=settings.orphan_hours)):
            if _OURS.fullmatch(key):
                batch.append(key)
            if len(batch) == ROWS:
                removed += await _collect(db, storage, batch)
                batch = []
        removed += await _collect(db, storage, batch)
    except StorageError as error:
        log.warning("orphans_not_collected", error=type(error).__name__)
    if removed:
        log.info("orphans_collected", objects=removed)
    return removed


async def _collect(db: Database, storage: Storage, keys: list[str]) -> int:
    async with db.reading() as session:
        orphans = await unknown_keys(session, keys)
    await discard(storage, orphans)
    return len(orphans)
