"""What a rendering takes and gives: plain data that crosses a process boundary as JSON."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["preview", "shown"]


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """`side`: the longer one of a preview, in pixels. A picture of more than `max_pixels` is not decoded."""

    side: int
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A file of this kind's name, in the folder that was given."""

    kind: Kind
    media_type: str


@dataclass(frozen=True, slots=True)
class Renderings:
    made: list[Rendered]


def renders(group: str, label: str) -> bool:
    """Whether there is anything to be made of such a content."""
    return group in ("image", "video") or label == "pdf"
