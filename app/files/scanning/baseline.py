"""The scan that needs nobody else: runs in the child process on every file, before it is read."""

from pathlib import Path
from typing import Final

from app.files.sample import Sample
from app.files.scanning.budget import Budget, Harm, Limits
from app.files.scanning.containers import inspect
from app.files.scanning.content import active_pdf, markup_in_picture, ole_macros, refuse_bytes, refuse_two_faces
from app.files.scanning.verdict import Flag, Verdict
from app.files.signatures import Group

SCANNER: Final = "baseline 1"


def scan(path: Path, group: Group, limits: Limits) -> Verdict:
    """Look for harm in the file at `path`; `group` is what it was taken for when it came in."""
    try:
        flags = _looked_through(path, group, limits)
    except Harm as harm:
        return Verdict(SCANNER, harm=str(harm))
    if "macros" in flags and limits.refuse_macros:
        return Verdict(SCANNER, harm="The document holds macros, which are not accepted here.")
    return Verdict(SCANNER, flags=sorted(flags))


def _looked_through(path: Path, group: Group, limits: Limits) -> set[Flag]:
    sample = Sample.of_path(path)
    refuse_bytes(sample, None)
    refuse_two_faces(path, group, sample)
    with path.open("rb") as stream:
        flags = inspect(stream, sample, Budget(limits))
    if ole_macros(path, sample):
        flags.add("macros")
    if markup_in_picture(path, group):
        flags.add("markup_in_picture")
    if active_pdf(path, sample):
        flags.add("active_pdf")
    return flags
