from app.agents.records import MAX_ITEMS, MAX_TEXT, trimmed


def test_what_is_short_is_kept_as_it_is() -> None:
    value = {"a": [1, 2.5, True, None, "text"], "b": {"c": "ü"}}
    assert trimmed(value) == value


def test_what_is_long_is_cut_and_says_so() -> None:
    assert trimmed("x" * (MAX_TEXT + 7)) == "x" * MAX_TEXT + "… (7 characters more)"
    cut = trimmed(list(range(MAX_ITEMS + 3)))
    assert cut[-1] == "… (3 more)"
    assert len(trimmed({str(n): n for n in range(500)})) == MAX_ITEMS


def test_what_a_database_cannot_hold_is_left_out() -> None:
    assert trimmed({"a\x00": "b\x00c"}) == {"a": "bc"}
    assert trimmed((b"bytes", object())) == ["(bytes)", "(object)"]
    deep: object = "bottom"
    for _ in range(50):
        deep = [deep]
    assert "…" in str(trimmed(deep))
    assert "bottom" not in str(trimmed(deep))
