import json
from pathlib import Path

import pytest

from app.commands import evaluate_answers
from app.commands.evaluate_answers import Outcome, figures
from app.core.settings import Settings
from tests.cli.test_evaluate_knowledge import DOCUMENTS, QUESTIONS, write


def test_figures_come_as_one_json_line(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documents, questions = write(tmp_path / "d", DOCUMENTS), write(tmp_path / "q", QUESTIONS)  # type: ignore[arg-type]
    monkeypatch.setattr(evaluate_answers, "get_settings", lambda: settings)
    named = ["evaluate", "--documents", str(documents), "--questions", str(questions)]
    monkeypatch.setattr("sys.argv", [*named, "--json"])
    evaluate_answers.main()
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert list(found) == ["answered_answerable", "abstained_unanswerable", "citation_precision", "risk_coverage", "n"]
    assert (found["answered_answerable"], found["abstained_unanswerable"], found["n"]) == (0.5, 1, 3)
    assert found["citation_precision"] == 1
    assert found["risk_coverage"][0]["risk"] == 0
    assert found["risk_coverage"][-1] == {"coverage": 1.0, "risk": 0.3333}
    monkeypatch.setattr("sys.argv", [*named[:3], "--questions", str(write(tmp_path / "none", []))])
    with pytest.raises(SystemExit, match="2"):
        evaluate_answers.main()
    assert "holds no question" in capsys.readouterr().err


def test_an_answer_to_what_cannot_be_answered_is_a_risk() -> None:
    right = Outcome(True, True, True, 2, 2, 0.9, None)
    wrong = Outcome(False, True, False, 2, 0, 0.8, None)
    silent = Outcome(False, False, False, 0, 0, 0.1, "no_evidence")
    assert figures([silent, right, wrong]) == {
        "answered_answerable": 1.0,
        "abstained_unanswerable": 0.5,
        "citation_precision": 0.5,
        "risk_coverage": [
            {"coverage": 0.3333, "risk": 0.0},
            {"coverage": 0.6667, "risk": 0.5},
            {"coverage": 1.0, "risk": 0.6667},
        ],
        "n": 3,
    }
    assert figures([])["citation_precision"] is None
