from collections.abc import Callable
from pathlib import Path

import pytest

from app.files.content_type import identify
from app.files.recognition.recognise import recognise
from app.files.recognition.result import Recognition, RecognitionSettings, Stage
from app.files.sample import Sample

Read = Callable[..., Recognition]


class Steps(list[tuple[Stage, float, str]]):
    """What was reported on the way."""

    def __call__(self, stage: Stage, fraction: float, message: str) -> None:
        self.append((stage, fraction, message))


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def read(tmp_path: Path, steps: Steps) -> Read:
    """Recognise bytes or a path as the worker would: typed by content, then read."""

    def recognised(content: bytes | Path, name: str = "sample", **limits: object) -> Recognition:
        path = content if isinstance(content, Path) else tmp_path / "sample"
        if isinstance(content, bytes):
            path.write_bytes(content)
        settings = RecognitionSettings(**limits)  # type: ignore[arg-type]
        return recognise(path, identify(Sample.of_path(path), filename=name), settings=settings, progress=steps)

    return recognised
