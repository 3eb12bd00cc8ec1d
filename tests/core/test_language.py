import pytest

from app.core.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I reset my password?", "en"),
        ("VPN bricht ab", "de"),
        ("Le serveur ne répond plus depuis ce matin", "fr"),
        ("プリンターが動きません", "ja"),
        ("kan ik mijn wachtwoord wijzigen", "nl"),
        ("Error 0x80070057", "und"),
        ("12345", "und"),
        ("", "und"),
    ],
)
def test_a_language_is_told_when_it_stands_out(text: str, language: str) -> None:
    assert language_of(text) == language
