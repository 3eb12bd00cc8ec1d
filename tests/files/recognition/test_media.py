from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.files.recognition import media
from app.files.recognition.media import cut_recording, hear
from app.files.recognition.result import CutRecording, RecognitionFailed, RecognitionSettings, Unreadable
from app.files.recognition.sound import Pcm, read_flac
from app.files.recognition.speech import SPHINX_CAP
from tests.files import samples
from tests.files.recognition.conftest import Steps
from tests.files.speech.conftest import VOICE_NOTE, voice

Cut = Callable[..., CutRecording]
SECOND = 16_000


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * SECOND), np.int16)


@pytest.fixture
def cut(tmp_path: Path, steps: Steps) -> Cut:
    """Cut bytes or a path as the worker would."""

    def made(content: bytes | Path, **limits: object) -> CutRecording:
        path = content if isinstance(content, Path) else tmp_path / "sample"
        if isinstance(content, bytes):
            path.write_bytes(content)
        (tmp_path / "parts").mkdir(exist_ok=True)
        settings = RecognitionSettings(**limits)  # type: ignore[arg-type]
        return cut_recording(path, tmp_path / "parts", settings=settings, progress=steps)

    return made


def pieces(found: CutRecording) -> list[Pcm]:
    return [piece for part in found.parts for piece in read_flac(Path(part.path), part.pieces)]


def test_speech_is_cut_out_and_transcribed_with_times_and_an_honest_confidence(cut: Cut, steps: Steps) -> None:
    (part,) = cut(samples.shared("speech") / "cards_001.wav").parts
    found = hear(Path(part.path), part.pieces, settings=RecognitionSettings(), progress=steps)
    assert (found.analysis_type, found.engine, found.language) == ("transcription", "pocketsphinx", "en")
    assert found.text == "ten of clubs"
    assert found.confidence is not None
    assert found.confidence <= SPHINX_CAP
    segment = found.segments[0]
    assert segment.start_s is not None
    assert segment.end_s is not None
    assert 0 <= segment.start_s < segment.end_s <= 1.2
    assert "transcription" in {stage for stage, _, _ in steps}


def test_silence_has_no_part(cut: Cut) -> None:
    found = cut(samples.wav(silence(1)))
    assert found.parts == []
    assert (found.metadata["heard_seconds"], found.metadata["speech_seconds"]) == (1.0, 0.0)


def test_silence_between_speech_costs_nothing_and_times_stay_those_of_the_recording(cut: Cut, steps: Steps) -> None:
    said = voice()
    recording = np.concatenate([silence(70), said, silence(100), said, silence(5)])
    found = cut(samples.wav(recording), part_seconds=60)
    (part,) = found.parts
    (first, count), (second, _) = part.pieces
    assert abs(first - 70 * SECOND) < SECOND // 2
    assert abs(second - (170 * SECOND + len(said))) < SECOND // 2
    assert count < len(said) + SECOND
    assert found.metadata["heard_seconds"] == len(recording) / SECOND
    assert float(found.metadata["speech_seconds"] or 0) < 2 * len(said) / SECOND + 2
    for piece, (start, length) in zip(pieces(found), part.pieces, strict=True):
        assert np.array_equal(piece.samples, recording[start : start + length])
    shares = [share for stage, share, _ in steps if stage == "validation"]
    assert len(shares) > 2
    assert shares == sorted(shares)


def test_much_speech_is_cut_into_parts(cut: Cut) -> None:
    said = np.concatenate([voice(), silence(3)])
    found = cut(samples.wav(np.tile(said, 6)), part_seconds=8)
    assert [len(part.pieces) for part in found.parts] == [2, 2, 2]
    starts = [start for part in found.parts for start, _ in part.pieces]
    assert starts == sorted(starts)


def test_a_wav_of_zero_samples_is_unreadable_with_a_reason(cut: Cut) -> None:
    with pytest.raises(Unreadable, match="no samples"):
        cut(samples.wav(silence(0)))


def test_a_wav_cut_off_in_its_header_is_unreadable(cut: Cut) -> None:
    with pytest.raises(Unreadable, match="cannot be opened"):
        cut(samples.wav(samples.tone(0.1))[:20])


def test_a_silent_film_is_unreadable_because_it_has_no_sound(cut: Cut, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no audio stream"):
        cut(samples.video(tmp_path / "mute.mp4", sound=False))


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.mov"])
def test_the_sound_of_a_film_is_heard(cut: Cut, tmp_path: Path, name: str) -> None:
    found = cut(samples.video(tmp_path / name, sound=True))
    assert (found.metadata["width"], found.metadata["video_codec"]) == (64, "mpeg4")
    assert found.metadata["audio_codec"] == "aac"
    assert found.metadata["heard_seconds"] == pytest.approx(1.0, abs=0.1)


def test_a_recording_longer_than_allowed_is_refused_by_its_header(cut: Cut) -> None:
    with pytest.raises(Unreadable, match="minutes"):
        cut(samples.wav(samples.tone(3)), max_media_seconds=2)


def test_a_recording_whose_header_lies_about_its_length_is_refused_while_decoding(
    cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_checked_duration", lambda *_: None)
    with pytest.raises(Unreadable, match="longer than"):
        cut(samples.wav(samples.tone(3)), max_media_seconds=2)


def test_other_rates_and_channels_become_16_khz_mono(cut: Cut) -> None:
    found = cut(samples.wav(samples.tone(2, rate=44_100), rate=44_100))
    assert found.metadata["heard_seconds"] == pytest.approx(2.0, abs=0.01)
    assert found.metadata["sample_rate"] == 44_100


def test_a_recording_that_breaks_off_is_heard_as_far_as_it_goes(cut: Cut, tmp_path: Path) -> None:
    whole = samples.video(tmp_path / "film.mkv", sound=True, seconds=3).read_bytes()
    found = cut(whole[: len(whole) * 2 // 3])
    assert 0.5 < float(found.metadata["heard_seconds"] or 0) < 3.0


def test_a_part_that_is_not_what_was_written_is_unreadable(cut: Cut, steps: Steps) -> None:
    (part,) = cut(VOICE_NOTE).parts
    Path(part.path).write_bytes(b"not FLAC")
    with pytest.raises(Unreadable, match="cannot be read"):
        hear(Path(part.path), part.pieces, settings=RecognitionSettings(), progress=steps)


def test_a_playlist_opens_nothing(cut: Cut, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(samples.wav(samples.tone(1)))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(Unreadable):
        cut(playlist)


def test_malformed_recordings_fail_with_a_reason(cut: Cut) -> None:
    for path in sorted(samples.shared("hostile").glob("*.wav")):
        with pytest.raises(RecognitionFailed) as failure:
            cut(path)
        assert failure.value.reason.endswith("."), path.name
