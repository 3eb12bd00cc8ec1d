"""What can be done with files. Session and principal first, the rest by name; the caller's unit of work commits."""

from app.files.service.deleting import delete, end
from app.files.service.history import history
from app.files.service.intake import (
    Received,
    receive,
    receive_bytes,
    receive_form,
    receive_stored,
    refused,
)
from app.files.service.parts import (
    PART_KIND,
    PartWork,
    begin_part,
    fail_part,
    finish_part,
    give_up_part,
    split,
    wait_again,
)
from app.files.service.processing import VALIDATION_SHARE, Work, begin, complete, fail, give_up, report_progress
from app.files.service.quarantine import quarantined, release, rescan
from app.files.service.reading import (
    Content,
    content,
    get,
    list_files,
    open_content,
    preview,
    read_text,
    status,
    status_of_job,
    watchable,
)
from app.files.service.rendering import (
    RENDERING,
    begin_rendering,
    complete_rendering,
    end_rendering,
    want_rendering,
)
from app.files.service.scanning import check_scanner, pass_scan, postpone_scan, quarantine, wait_for_scanner
from app.files.service.sharing import share
from app.files.service.slots import Slot, slot_in
from app.files.service.uploading import JOB_KIND, add, attach, reassign

__all__ = [
    "JOB_KIND",
    "PART_KIND",
    "RENDERING",
    "VALIDATION_SHARE",
    "Content",
    "PartWork",
    "Received",
    "Slot",
    "Work",
    "add",
    "attach",
    "begin",
    "begin_part",
    "begin_rendering",
    "check_scanner",
    "complete",
    "complete_rendering",
    "content",
    "delete",
    "end",
    "end_rendering",
    "fail",
    "fail_part",
    "finish_part",
    "get",
    "give_up",
    "give_up_part",
    "history",
    "list_files",
    "open_content",
    "pass_scan",
    "postpone_scan",
    "preview",
    "quarantine",
    "quarantined",
    "read_text",
    "reassign",
    "receive",
    "receive_bytes",
    "receive_form",
    "receive_stored",
    "refused",
    "release",
    "report_progress",
    "rescan",
    "share",
    "slot_in",
    "split",
    "status",
    "status_of_job",
    "wait_again",
    "wait_for_scanner",
    "want_rendering",
    "watchable",
]
