from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from app.files.recognition import media
from app.files.recognition.media import PcmSegment, pcm_segments, recognise_media
from app.files.recognition.result import RecognitionFailed, RecognitionSettings, Unreadable
from app.files.recognition.speech import SPHINX_CAP, Passage, Pcm
from tests.files import samples
from tests.files.recognition.conftest import Read, Steps


def noise(seconds: float, *, volume: float = 3000) -> np.ndarray:
    return (np.random.default_rng(7).standard_normal(int(seconds * 16_000)) * volume).astype(np.int16)


class Echo:
    """An engine that says how long each segment was."""

    name, version, language = "echo", "1", "en"

    def transcribe(self, segments: Iterator[Pcm]) -> Iterator[Passage]:
        for pcm in segments:
            seconds = len(pcm.samples) / 16_000
            yield Passage(pcm.start_s, pcm.start_s + seconds, f"{seconds:.1f} seconds", 0.5)


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "speech_engine", lambda *_: Echo())


def cut(path: Path) -> list[PcmSegment]:
    with av.open(str(path)) as container:
        return list(pcm_segments(container))


def test_speech_is_transcribed_with_times_and_an_honest_confidence(read: Read, steps: Steps) -> None:
    found = read(samples.shared("speech") / "cards_001.wav")
    assert (found.analysis_type, found.engine, found.language) == ("transcription", "pocketsphinx", "en")
    assert found.text == "ten of clubs"
    assert found.confidence is not None
    assert found.confidence <= SPHINX_CAP
    segment = found.segments[0]
    assert segment.start_s is not None
    assert segment.end_s is not None
    assert 0 <= segment.start_s < segment.end_s <= 1.2
    assert "transcription" in {stage for stage, _, _ in steps}


def test_silence_is_a_finished_transcription_without_text(read: Read, steps: Steps) -> None:
    found = read(samples.wav(np.zeros(16_000, dtype=np.int16)))
    assert (found.text, found.segments, found.confidence) == ("", [], None)
    assert found.metadata["heard_seconds"] == 1.0
    assert steps[-1][2] == "Heard no speech"


def test_a_wav_of_zero_samples_is_unreadable_with_a_reason(read: Read) -> None:
    with pytest.raises(Unreadable, match="no samples"):
        read(samples.wav(np.zeros(0, dtype=np.int16)))


def test_a_wav_cut_off_in_its_header_is_unreadable(read: Read) -> None:
    with pytest.raises(Unreadable, match="cannot be opened"):
        read(samples.wav(samples.tone(0.1))[:20])


def test_a_silent_film_is_unreadable_because_it_has_no_sound(read: Read, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no audio stream"):
        read(samples.video(tmp_path / "mute.mp4", sound=False))


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.mov"])
def test_the_sound_of_a_film_is_heard(read: Read, tmp_path: Path, name: str) -> None:
    found = read(samples.video(tmp_path / name, sound=True))
    assert found.text.endswith(" seconds")
    assert (found.metadata["width"], found.metadata["video_codec"]) == (64, "mpeg4")
    assert found.metadata["audio_codec"] == "aac"


@pytest.mark.usefixtures("echo")
def test_a_recording_longer_than_allowed_is_refused_by_its_header(read: Read) -> None:
    with pytest.raises(Unreadable, match="minutes"):
        read(samples.wav(samples.tone(3)), max_media_seconds=2)


@pytest.mark.usefixtures("echo")
def test_a_recording_whose_header_lies_about_its_length_is_refused_while_decoding(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_checked_duration", lambda *_: None)
    with pytest.raises(Unreadable, match="longer than") as failure:
        read(samples.wav(samples.tone(3)), max_media_seconds=2)
    assert failure.value.stage == "transcription"


@pytest.mark.usefixtures("echo")
def test_other_rates_and_channels_become_16_khz_mono(read: Read, tmp_path: Path) -> None:
    found = read(samples.wav(samples.tone(2, rate=44_100), rate=44_100))
    assert found.text == "2.0 seconds"
    assert found.metadata["sample_rate"] == 44_100


def test_a_long_recording_is_cut_at_its_pauses(tmp_path: Path) -> None:
    speech = np.concatenate([noise(9.5), np.zeros(16_000, dtype=np.int16), noise(9.5), np.zeros(16_000, np.int16)])
    path = tmp_path / "long.wav"
    path.write_bytes(samples.wav(speech))
    pieces = cut(path)
    assert 9.5 < pieces[0].seconds < 10.6
    assert sum(len(piece.samples) for piece in pieces) == len(speech)
    assert pieces[1].start_s == pytest.approx(pieces[0].seconds)


def test_a_recording_without_pauses_is_cut_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(samples.wav(noise(60)))
    assert all(piece.seconds <= media.LONGEST_CUT_S for piece in cut(path))


@pytest.mark.usefixtures("echo")
def test_a_recording_that_breaks_off_is_heard_as_far_as_it_goes(tmp_path: Path, steps: Steps) -> None:
    whole = samples.video(tmp_path / "film.mkv", sound=True, seconds=3).read_bytes()
    path = tmp_path / "half.mkv"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    found = recognise_media(path, settings=RecognitionSettings(), progress=steps)
    assert found.segments


def test_a_playlist_opens_nothing(read: Read, tmp_path: Path, steps: Steps) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(samples.wav(samples.tone(1)))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(Unreadable):
        recognise_media(playlist, settings=RecognitionSettings(), progress=steps)


def test_malformed_recordings_fail_with_a_reason(read: Read) -> None:
    for path in sorted(samples.shared("hostile").glob("*.wav")):
        with pytest.raises(RecognitionFailed) as failure:
            read(path)
        assert failure.value.reason.endswith("."), path.name
