import pytest

from app.agents.preferences import Preference, preference


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, Preference(30, None)),
        ("", Preference(30, None)),
        ("respond-async", Preference(0, "respond-async")),
        ("Respond-Async; foo=1", Preference(0, "respond-async")),
        ("wait=5", Preference(5, "wait=5")),
        ('wait = "7"', Preference(7, "wait=7")),
        ("wait=0", Preference(0, "wait=0")),
        ("wait=600", Preference(30, "wait=30")),
        ("respond-async, wait=10", Preference(10, "respond-async, wait=10")),
        ("wait=10, wait=20", Preference(10, "wait=10")),
        ("wait=-1", Preference(30, None)),
        ("wait=soon", Preference(30, None)),
        ("wait", Preference(30, None)),
        ("wait=99999999999999999999", Preference(30, None)),
        ("wait=²", Preference(30, None)),
        ("return=minimal, handling=lenient,, =", Preference(30, None)),
    ],
)
def test_what_is_preferred_and_what_is_granted(header: str | None, wanted: Preference) -> None:
    assert preference(header, most=30) == wanted
