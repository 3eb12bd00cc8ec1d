"""Small files of every kind, made here: pictures with words, recordings, documents, archives, programs."""

import io
import struct
import tarfile
import wave
import zipfile
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared(name: str) -> Path:
    """A folder of third-party data beside the repository; the test is skipped, saying so, where it is absent."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"third-party data {name!r} are not on this machine")
    return folder


def drawn(*lines: str, size: int = 32, width: int = 640, background: str = "white", ink: str = "black") -> Image.Image:
    image = Image.new("RGB", (width, (size + 20) * len(lines) + 20), background)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
    for row, line in enumerate(lines):
        draw.text((15, 15 + row * (size + 20)), line, fill=ink, font=font)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(*lines: str) -> bytes:
    return encoded(drawn(*lines))


def png_header(width: int, height: int) -> bytes:
    """A PNG that is only its header: it claims a size and holds no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def tone(seconds: float, *, rate: int = 16_000, volume: float = 0.3) -> np.ndarray:
    at = np.arange(int(seconds * rate)) / rate
    return (np.sin(2 * np.pi * 220 * at) * volume * 32767).astype(np.int16)


def wav(samples: np.ndarray, *, rate: int = 16_000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def video(path: Path, *, sound: bool, seconds: float = 1.0) -> Path:
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        voice = container.add_stream("aac", rate=16_000) if sound else None
        for number in range(int(5 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 10, dtype=np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if voice is not None:
            samples = tone(seconds)
            for start in range(0, len(samples) - 1023, 1024):
                chunk = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="s16", layout="mono")
                chunk.sample_rate, chunk.pts, chunk.time_base = 16_000, start, Fraction(1, 16_000)
                container.mux(voice.encode(chunk))
            container.mux(voice.encode(None))
    return path


def zipped(entries: dict[str, bytes], *, stored_first: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(entries.items()):
            kind = zipfile.ZIP_STORED if stored_first and number == 0 else zipfile.ZIP_DEFLATED
            archive.writestr(name, content, kind)
    return out.getvalue()


def tarred(entries: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return out.getvalue()


def docx(*paragraphs: str) -> bytes:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    return zipped(
        {
            "[Content_Types].xml": (
                '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>'
            ).encode(),
            "_rels/.rels": (
                '<?xml version="1.0"?>'
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f'<Relationship Id="r1" Type="{relation}" Target="word/document.xml"/></Relationships>'
            ).encode(),
            "word/document.xml": (
                f'<?xml version="1.0"?><w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>'
            ).encode(),
        }
    )


def odt(text: str, *, prolog: str = "") -> bytes:
    office = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    words = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    return zipped(
        {
            "mimetype": b"application/vnd.oasis.opendocument.text",
            "content.xml": (
                f'<?xml version="1.0"?>{prolog}<office:document-content xmlns:office="{office}" xmlns:text="{words}">'
                f"<office:body><office:text><text:p>{text}</text:p></office:text></office:body>"
                "</office:document-content>"
            ).encode(),
        },
        stored_first=True,
    )


def pdf(*pages: str) -> bytes:
    """One page a string, with a text layer; an empty string gives a page without any content."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode() if text else b""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def scanned_pdf(*lines: str) -> bytes:
    """A page that is only a picture."""
    return encoded(drawn(*lines), "PDF", resolution=100)


MZ = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0" + bytes(200) + b"PE\0\0"
ELF = b"\x7fELF\2\1\1" + bytes(60)
