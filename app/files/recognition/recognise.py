"""Which engine reads which content; recordings alone go another way, by `app.files.recognition.media`."""

from pathlib import Path

from app.files.content_type import ContentType
from app.files.recognition.archive import recognise_archive
from app.files.recognition.document import converts, recognise_document
from app.files.recognition.image import recognise_image
from app.files.recognition.pdf import recognise_pdf
from app.files.recognition.result import Progress, Recognition, RecognitionSettings, Unreadable
from app.files.recognition.text import recognise_text


def recognise(path: Path, content: ContentType, *, settings: RecognitionSettings, progress: Progress) -> Recognition:
    """Read the file at `path`. A file without any text is a finished recognition with an empty text.

    Raises:
        RecognitionFailed: with a reason for its uploader; `Hostile` when it should be quarantined.
    """
    match content.group:
        case "image":
            return recognise_image(path, settings=settings, progress=progress)
        case "document" if content.label == "pdf":
            return recognise_pdf(path, settings=settings, progress=progress)
        case "document":
            return recognise_document(path, content.label, settings=settings, progress=progress)
        case "text" if converts(content.label):
            return recognise_document(path, content.label, settings=settings, progress=progress)
        case "text":
            return recognise_text(path, settings=settings, progress=progress)
        case "archive":
            return recognise_archive(path, content.label, settings=settings, progress=progress)
        case _:
            raise Unreadable(f"No text can be taken from content of type {content.mime}.", "validation")
