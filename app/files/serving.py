"""How a stranger's bytes are given out: as an attachment, and as nothing that a browser would run."""

from urllib.parse import quote

from app.files.service import Content

HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


def as_attachment(content: Content) -> dict[str, str]:
    """The headers of an answer with all of it."""
    return {
        **HARMLESS,
        "Content-Disposition": _attachment(content.filename),
        "Content-Length": str(content.size),
        "ETag": f'"{content.tag}"',
    }


def _attachment(filename: str) -> str:
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
