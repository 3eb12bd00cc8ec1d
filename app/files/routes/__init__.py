"""Files over HTTP."""

from app.files.routes import content, direct, quarantine, resumable, uploads

ROUTERS = (
    # Before the files, one of which `resumable` or `quarantine` would be taken for.
    resumable.router,
    direct.router,
    quarantine.router,
    uploads.router,
    content.router,
)
