from app.files.recognition.merging import HeardPart, MissingPart, merged
from app.files.recognition.result import RecognitionSettings, Segment

LIMITS = RecognitionSettings()


def heard(text: str, start: float, *, engine: str = "a", language: str = "en", confidence: float = 0.9) -> HeardPart:
    return HeardPart([Segment(text, confidence, start_s=start, end_s=start + 1)], engine, "1", language, [])


def test_parts_become_one_result_in_their_order() -> None:
    found = merged([heard("one", 0), heard("two", 10, confidence=0.5)], metadata={"container": "wav"}, limits=LIMITS)
    assert (found.text, found.confidence, found.engine, found.language) == ("one\ntwo", 0.7, "a", "en")
    assert [segment.start_s for segment in found.segments] == [0, 10]
    assert found.metadata == {"container": "wav", "parts": 2, "partial": False, "truncated": False}


def test_the_engine_and_language_of_most_of_the_text_stand_for_the_whole() -> None:
    short = HeardPart([Segment("ja", 0.3)], "b", "2", "de", ["a: it does not answer"])
    found = merged([heard("a long passage", 0), short, short], metadata={}, limits=LIMITS)
    assert (found.engine, found.language) == ("a", "en")
    assert found.metadata["engines"] == "b 2: 2, a 1: 1"
    assert found.metadata["engines_passed_over"] == "a: it does not answer"


def test_a_result_that_lacks_parts_says_which_and_why() -> None:
    found = merged([heard("one", 0), MissingPart(300, 3725, "Given up.")], metadata={}, limits=LIMITS)
    assert found.metadata["partial"] is True
    assert found.metadata["missing_seconds"] == 3425
    assert found.metadata["missing"] == "0:05:00–1:02:05: Given up."


def test_where_nobody_speaks_the_detector_is_the_engine() -> None:
    found = merged([], metadata={}, limits=LIMITS)
    assert (found.engine, found.text, found.confidence, found.language) == ("silero-vad", "", None, None)


def test_too_much_is_cut_and_says_so() -> None:
    limits = RecognitionSettings(max_segments=1, max_chars=2)
    found = merged([heard("one", 0), heard("two", 1)], metadata={}, limits=limits)
    assert (found.text, len(found.segments), found.metadata["truncated"]) == ("on", 1, True)
