"""Objects that a file has left behind, in a worker. What is not removed here is collected later."""

from app.core.resources import Resources
from app.core.storage import StorageError
from app.core.tasks import task
from app.files.service import keeping


@task(name="files.remove_object", time_limit=120, retry_on=(StorageError,))
async def remove_object(resources: Resources, key: str) -> None:
    await keeping.remove_unknown(resources.db, resources.storage, key)
