import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.commands import evaluate_knowledge
from app.commands.evaluate_knowledge import ndcg, recall, reciprocal_rank
from app.commands.own_schema import PREFIX, database_address, measured, own_schema
from app.core.db import Database
from app.core.settings import Settings

DOCUMENTS = [
    {"id": "a", "text": "The printer shows E-77 when its tray is empty."},
    {"id": "b", "title": "Trains", "text": "Trains leave every hour from platform two."},
]
QUESTIONS = [
    {"id": "1", "question": "What does E-77 mean?", "relevant": ["a"], "answerable": True},
    {"id": "2", "question": "When does the railway run?", "relevant": ["b"]},
    {"id": "3", "question": "Who sings?", "relevant": [], "answerable": False},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


async def schemas(database: Database) -> list[str]:
    async with database.session() as db:
        query = text("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, :prefix)")
        return list((await db.execute(query, {"prefix": PREFIX})).scalars())


def test_figures_come_as_one_json_line(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documents, questions = write(tmp_path / "d", DOCUMENTS), write(tmp_path / "q", QUESTIONS)  # type: ignore[arg-type]
    monkeypatch.setattr(evaluate_knowledge, "get_settings", lambda: settings)
    named = ["evaluate", "--documents", str(documents), "--questions", str(questions)]
    monkeypatch.setattr("sys.argv", [*named, "--json"])
    evaluate_knowledge.main()
    figures = json.loads(capsys.readouterr().out)
    assert list(figures) == ["ndcg_at_10", "recall_at_10", "mrr", "bm25", "vector", "rrf", "n"]
    assert (figures["ndcg_at_10"], figures["recall_at_10"], figures["mrr"], figures["n"]) == (1, 1, 1, 2)
    assert 0 < figures["bm25"] <= 1
    monkeypatch.setattr("sys.argv", [*named[:3], "--questions", str(write(tmp_path / "none", [QUESTIONS[2]]))])  # type: ignore[list-item]
    with pytest.raises(SystemExit, match="2"):
        evaluate_knowledge.main()
    assert "there is nothing to measure" in capsys.readouterr().err


def test_a_database_that_is_away_is_no_traceback(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    away = settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:9/nothing")})
    with pytest.raises(SystemExit, match="2"):
        measured(away, lambda address: evaluate_knowledge.run(address, [], []))
    assert "The database cannot be reached" in capsys.readouterr().err


async def test_the_schema_is_gone_afterwards_and_so_is_one_that_a_killed_run_left(settings: Settings) -> None:
    with database_address(settings) as address:
        database = Database(address)
    async with database.unit_of_work() as db:
        await db.execute(text(f"CREATE SCHEMA {PREFIX}killed"))
    async with own_schema(address, settings):
        assert len(await schemas(database)) == 1
        async with own_schema(address, settings) as own, own.session() as db:
            # Somebody else's run leaves this one alone.
            assert len(await schemas(database)) == 2
            assert (await db.execute(text("SELECT count(*) FROM documents"))).scalar_one() == 0
    assert await schemas(database) == []
    await database.dispose()


async def test_a_document_with_more_stems_than_the_database_takes_at_once_is_counted_whole(settings: Settings) -> None:
    with database_address(settings) as address:
        database = Database(address)
    said = "printer " + " ".join(f"word{number}" for number in range(150_000)) + " printer"
    assert (await evaluate_knowledge.stems(database, said))["printer"] == 2
    await database.dispose()


def test_measures_are_those_of_the_books() -> None:
    order = ["x", "a", "y", "b"]
    assert ndcg(order, {"a"}) == pytest.approx(0.6309, abs=1e-4)
    assert recall(order, {"a", "z"}) == 0.5
    assert (reciprocal_rank(order, {"a", "b"}), reciprocal_rank(order, {"z"})) == (0.5, 0.0)


def test_without_an_address_the_figures_are_taken_on_a_data_plane_of_their_own(tmp_path: Path) -> None:
    unset = Settings(_env_file=None, database_url=None, data_dir=tmp_path)
    with database_address(unset) as address:
        assert address.startswith("postgresql")
    given = Settings(_env_file=None, database_url=SecretStr("postgresql://x"), data_dir=tmp_path)
    with database_address(given) as address:
        assert address == "postgresql://x"
