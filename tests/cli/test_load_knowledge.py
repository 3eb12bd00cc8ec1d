import io
from pathlib import Path

import httpx2
import pytest

from app.commands.load_knowledge import Loaded, load, load_page, main, settle
from app.commands.login import Login, Refused
from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import PASSWORD, register
from tests.knowledge.conftest import read_all

PAGE = "<html><body><h1>Scanner</h1><p>Hold the red button to restart it.</p></body></html>"


async def test_a_folder_is_loaded_once_and_only_what_changed_again(
    api: httpx2.AsyncClient, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await register(resources, Role.AGENT)
    folder = tmp_path / "manuals"
    (folder / "deep").mkdir(parents=True)
    (folder / "printer.md").write_text("# Printer\n\nE-77: the tray is empty.")
    (folder / "deep" / "scanner.html").write_text(PAGE)
    (folder / "broken.md").write_bytes(b"\xff\xfe\xff")
    (folder / "empty.txt").write_text(" \n")
    (folder / ".hidden.md").write_text("secret")
    (folder / "program.exe").write_bytes(b"MZ")
    api.auth = Login(agent.username, PASSWORD)
    first = await load(api, folder, {"public": True})
    await read_all(resources, monkeypatch)
    await settle(api, first, seconds=60)
    assert (first.added, first.replaced, first.unchanged) == (2, 0, 0)
    assert [one.split(":")[0] for one in first.failed] == ["broken.md", "empty.txt"]
    listed = (await api.get("/api/v1/knowledge/documents")).json()
    assert {(one["title"], one["uri"]) for one in listed} == {
        ("Printer", "manuals/printer.md"),
        ("Scanner", "manuals/deep/scanner.html"),
    }
    (folder / "printer.md").write_text("# Printer\n\nE-77: the tray is open.")
    again = await load(api, folder, {"public": True})
    await settle(api, again, seconds=0)
    assert (again.added, again.replaced, again.unchanged) == (0, 1, 1)
    assert again.described().splitlines()[0] == "0 added, 1 replaced, 1 unchanged, 3 failed"
    assert again.failed[-1] == "printer.md: not indexed after 0 s"


async def test_who_cannot_log_in_or_may_not_write_is_told(
    api: httpx2.AsyncClient, resources: Resources, tmp_path: Path
) -> None:
    ada = await register(resources)
    (tmp_path / "a.md").write_text("# A\n\nWords.")
    api.auth = Login(ada.username, "wrong password")
    with pytest.raises(Refused, match=f"{ada.username} could not log in at test"):
        await load(api, tmp_path, {"public": True})
    api.auth = Login(ada.username, PASSWORD)
    refused = await load(api, tmp_path, {"public": True})
    assert len(refused.failed) == 1


async def test_a_token_that_runs_out_while_much_is_loaded_is_renewed(
    api: httpx2.AsyncClient, resources: Resources, tmp_path: Path
) -> None:
    agent = await register(resources, Role.AGENT)
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\nWords of {name}.")
    api.auth = login = Login(agent.username, PASSWORD)
    first = await load(api, tmp_path / "a.md", {"public": True})
    login.token = "run out"
    both = await load(api, tmp_path, {"public": True})
    assert (first.added, both.added, both.unchanged, both.failed) == (1, 1, 1, [])


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (["missing"], "There is no "),
        (["note.xyz"], "is none of .adoc, .docx"),
        (["note.xyz", "https://example.com/"], "is none of"),
    ],
)
def test_what_cannot_be_loaded_is_said_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sources: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("note.xyz").write_text("x")
    with pytest.raises(SystemExit) as ended:
        main(sources)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_desk_that_is_away_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("of somebody\n"))
    (tmp_path / "a.md").write_text("# A")
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "--username", "somebody", "--url", "http://127.0.0.1:9"])
    assert "The API at http://127.0.0.1:9 cannot be reached (ConnectError)." in capsys.readouterr().err


def test_a_folder_without_documents_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (tmp_path / "program.exe").write_bytes(b"MZ")
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path)])
    said = capsys.readouterr()
    assert said.out.endswith("Not documents, left out: 1 .exe\n")
    assert "No document was found: their names end with .adoc, .docx" in said.err


async def test_a_page_is_known_by_its_address_the_next_time(api: httpx2.AsyncClient, resources: Resources) -> None:
    agent = await register(resources, Role.AGENT)
    api.auth = Login(agent.username, PASSWORD)
    result = Loaded()
    for url in ("https://example.com/manual", "https://example.com/manual", "https://"):
        await load_page(api, url, {"public": True}, result)
    (listed,) = (await api.get("/api/v1/knowledge/documents")).json()
    assert (listed["uri"], listed["page"]["url"]) == ("https://example.com/manual",) * 2
    first, refused = result.described().splitlines()
    assert first == "1 added, 0 replaced, 0 unchanged, 1 failed, 1 to be fetched again"
    assert refused.startswith("  https://: The address")
