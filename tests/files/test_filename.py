import pytest

from app.files.filename import MAX_BYTES, extensions, safe_filename


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("/absolute/path/photo.png", "photo.png"),
        ("C:\\Users\\me\\photo.png", "photo.png"),
        ("a\0b.png", "ab.png"),
        ("line\nbreak\t.txt", "linebreak.txt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("zero\u200bwidth\ufeff.txt", "zerowidth.txt"),
        ("half \ud800.txt", "half .txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.log", "_com1.log"),
        ("console.log", "console.log"),
        ('a<b>:"c|d?*.txt', "a_b___c_d__.txt"),
        ("name. . .", "name"),
        ("Bericht für Größe.pdf", "Bericht für Größe.pdf"),
        ("e\u0301.txt", "é.txt"),
        ("画面截图.png", "画面截图.png"),
        ("two\u00a0  spaces.txt", "two spaces.txt"),
        (".env", ".env"),
    ],
)
def test_a_name_stays_readable_and_becomes_harmless(given: str, shown: str) -> None:
    assert safe_filename(given) == shown


@pytest.mark.parametrize("nothing", [None, "", "   ", ".", "..", "...", "/", "\\\\", "\0\0", "\u202e", "../.."])
def test_a_name_of_which_nothing_is_left_becomes_file(nothing: str | None) -> None:
    assert safe_filename(nothing) == "file"


def test_a_name_of_4000_characters_is_cut_and_keeps_its_extension() -> None:
    name = safe_filename("ä" * 4000 + ".pdf")
    assert len(name.encode()) <= MAX_BYTES
    assert name.startswith("äää")
    assert name.endswith("ä.pdf")


def test_an_extension_of_4000_characters_is_cut_too() -> None:
    assert len(safe_filename("a." + "x" * 4000).encode()) <= MAX_BYTES
    assert len(safe_filename("x" * 4000).encode()) <= MAX_BYTES


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("setup.EXE", {"exe"}),
        ("setup.exe. . ", {"exe"}),
        ("setup.exe::$DATA", {"exe"}),
        ("setup.exe\0.png", {"exe", "png"}),
        ("report.pdf.exe", {"exe"}),
        ("readme", set()),
        (None, set()),
    ],
)
def test_every_reading_of_a_name_gives_its_extension(name: str | None, found: set[str]) -> None:
    assert found <= extensions(name)
    if not found:
        assert extensions(name) == frozenset()
