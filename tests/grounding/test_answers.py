"""Questions to a desk that holds documents: answered from them with citations that stand, or refused with a reason."""

import json
from dataclasses import replace

import httpx2
import pytest
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelResponse
from sqlalchemy import select

from app.agents.errors import RunFailure
from app.core.auth import Principal, Role
from app.core.db import DATABASE_AWAY, Database
from app.core.resources import Resources
from app.grounding import evaluator, service
from app.grounding.outcome import Answer, Reason, Refusal, Turn
from app.knowledge import service as knowledge
from app.models.agent import AiConfig
from app.models.knowledge import DocumentVersion
from app.models.spending import ModelCallRow
from app.providers.service import PLATFORM
from tests.agents.models import Script, calling, refusing
from tests.factories.people import Person, register
from tests.knowledge.test_documents import add

ASKED = "What does the printer's E-77 mean and how do I get rid of it?"


def principal(person: Person, role: Role = Role.CUSTOMER) -> Principal:
    return Principal(user_id=person.id, username=person.username, role=role)


def drafting(*sentences: tuple[str, str]) -> ModelResponse:
    said = [{"text": text, "citations": [{"passage": "P1", "quote": quote}]} for text, quote in sentences]
    return calling("final_result", sentences=said)


async def test_every_sentence_cites_characters_of_a_version_that_say_it(desk: Resources, ada: Person) -> None:
    answer = await service.answer(desk, principal(ada), ASKED)
    assert isinstance(answer, Answer), answer
    assert "Hold the green button until E-77 is gone." in answer.text
    async with desk.db.session() as db:
        for sentence in answer.sentences:
            (citation,) = sentence.citations
            query = select(DocumentVersion.text).where(
                DocumentVersion.document_id == citation.document_id, DocumentVersion.version == citation.version
            )
            text = (await db.execute(query)).scalar_one()
            assert text[citation.start : citation.end] == citation.quote == sentence.text
            assert (citation.title, citation.uri) == ("Printer shows E-77", "https://example.com/printer")
        calls = (await db.execute(select(ModelCallRow.operation, ModelCallRow.model))).all()
    assert [tuple(row) for row in calls] == [("answer", "local")]
    assert (answer.signals.cited, answer.signals.support, answer.model) == (1.0, 1.0, "local")


async def test_what_no_document_tells_is_refused(desk: Resources, ada: Person) -> None:
    for question in ("Who won the chess championship in 1972?", "How do I cancel my insurance after a flood?"):
        refusal = await service.answer(desk, principal(ada), question)
        assert isinstance(refusal, Refusal)
        assert refusal.reason in (Reason.NO_EVIDENCE, Reason.INSUFFICIENT_COVERAGE)


async def test_a_document_about_another_error_is_no_answer(desk: Resources, ada: Person) -> None:
    about = "The printer shows E-{}77 when its tray is empty, how do I get rid of it? Is it the green button?"
    assert isinstance(await service.answer(desk, principal(ada), about.format("")), Answer)
    refusal = await service.answer(desk, principal(ada), about.format("1"))
    assert isinstance(refusal, Refusal)
    assert refusal.signals is not None
    assert (refusal.reason, refusal.signals.lacking) == (Reason.INSUFFICIENT_COVERAGE, ("e-177",))
    # Another spelling is the same one; a number of which no document has the kind says nothing of documents.
    for harmless in ("printer PR4711 shows E-77", "printer shows e77"):
        asked = about.format("").replace("printer shows E-77", harmless, 1)
        outcome = await service.answer(desk, principal(ada), asked)
        assert outcome.signals is not None
        assert outcome.signals.lacking == ()
    async with desk.db.unit_of_work() as db:
        await service.THRESHOLDS.update(db, principal(ada, Role.ADMIN), values={"identifiers": False})
    assert isinstance(await service.answer(desk, principal(ada), about.format("1")), Answer)


async def test_the_heading_over_a_passage_counts_as_its_title(
    api: httpx2.AsyncClient, resources: Resources, desk: Resources, ada: Person
) -> None:
    filling = "It is done in a few minutes, with no tools but those that lie in the box beside the machine. " * 3
    sections = "".join(f"## {name}\n\n{filling}\n\n" for name in ("Cleaning the glass", "Changing the lamp"))
    staff = await register(resources, Role.AGENT)
    made = await add(api, resources, staff, title="Projector", text=sections)
    shares = []
    for question in ("How do I change the lamp?", "How do I paint it?"):
        async with desk.db.reading() as db:
            matches = await knowledge.match(db, principal(ada), question=question)
        shares += [one.titled for one in matches.documents if str(one.document_id) == made["doc_id"]]
    assert shares == [pytest.approx(1), 0]


async def test_an_answer_uses_only_what_the_person_may_read(desk: Resources, ada: Person) -> None:
    question = "From which platform do trains leave every hour?"
    refusal = await service.answer(desk, principal(ada), question)
    assert isinstance(refusal, Refusal)
    assert all(one.title != "Trains" for one in refusal.evidence)
    answer = await service.answer(desk, principal(ada, Role.AGENT), question)
    assert isinstance(answer, Answer)
    assert "platform two" in answer.text


async def test_a_short_question_is_understood_from_what_was_said_before(desk: Resources, ada: Person) -> None:
    context = [Turn("customer", "The printer shows E-77, its tray is empty."), Turn("assistant", "I see.")]
    assert service.standalone("And now?", context) == "And now?\nThe printer shows E-77, its tray is empty."
    assert isinstance(await service.answer(desk, principal(ada), "And now?", context=context), Answer)
    assert isinstance(await service.answer(desk, principal(ada), "And now?"), Refusal)


async def remote(desk: Resources, agent: str = "answer") -> None:
    async with desk.db.unit_of_work() as db:
        row = (await db.execute(select(AiConfig).where(AiConfig.agent_type == agent))).scalar_one()
        row.model = "compatible:test/one"


EMPTY, GREEN = "The printer shows E-77 when its tray is empty.", "Hold the green button until E-77 is gone."


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (drafting(("E-77 means that the tray is empty.", EMPTY)), None),
        (drafting(), Reason.INSUFFICIENT_COVERAGE),
        (drafting(("Buy a new printer.", "Buy a new printer.")), Reason.MISSING_CITATIONS),
        (drafting(("E-77 means that the fuser burns.", EMPTY)), Reason.UNSUPPORTED_CLAIM),
        (drafting(("E-78 means that its tray is empty.", EMPTY)), Reason.UNSUPPORTED_CLAIM),
        (drafting(("Do not hold the green button until E-77 is gone.", GREEN)), Reason.UNSUPPORTED_CLAIM),
    ],
    ids=["true", "nothing", "quote_made_up", "other_claim", "other_code", "denied"],
)
async def test_a_models_draft_is_judged_sentence_by_sentence(
    desk: Resources, ada: Person, draft: ModelResponse, reason: Reason | None
) -> None:
    await remote(desk)
    script = Script([draft])
    outcome = await service.answer(desk, principal(ada), ASKED, resolve=script.resolve)
    assert (outcome.reason if isinstance(outcome, Refusal) else None) == reason
    assert outcome.model == "compatible:test/one"
    prompt = str(script.seen[0])
    assert "green button" in prompt
    assert "platform two" not in prompt


async def test_a_model_that_fails_leaves_no_answer(desk: Resources, ada: Person) -> None:
    await remote(desk)
    for step in (refusing(418), ModelAPIError("scripted", "broken"), calling("final_result", sentences="none")):
        refusal = await service.answer(desk, principal(ada), ASKED, resolve=Script([step]).resolve)
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.LLM_ERROR


PARAPHRASED = ("Keep pressing the button in green until E-77 goes away.", GREEN)


def judging(*judged: tuple[int, float]) -> ModelResponse:
    return calling("final_result", claims=[{"number": number, "support": share} for number, share in judged])


@pytest.mark.parametrize(
    ("judgement", "reason"),
    [
        (judging((1, 0.9)), None),
        (judging((1, 0.1)), Reason.UNSUPPORTED_CLAIM),
        (judging((1, 0.9), (1, 0.0)), Reason.UNSUPPORTED_CLAIM),
        (judging((7, 1.0)), Reason.UNSUPPORTED_CLAIM),
        (judging(), Reason.UNSUPPORTED_CLAIM),
        (refusing(418), Reason.LLM_ERROR),
    ],
    ids=["follows", "does_not", "says_both", "another_claim", "says_nothing", "fails"],
)
async def test_a_model_that_is_configured_to_judge_decides_what_words_cannot(
    desk: Resources, ada: Person, judgement: ModelResponse | Exception, reason: Reason | None
) -> None:
    await remote(desk)
    await remote(desk, "entailment")
    script = Script([drafting((EMPTY, EMPTY), PARAPHRASED), judgement])
    outcome = await service.answer(desk, principal(ada), ASKED, resolve=script.resolve)
    assert (outcome.reason if isinstance(outcome, Refusal) else None) == reason
    claims = json.loads(str(script.seen[1][0].parts[0].content))["material"]["claims"]  # type: ignore[union-attr]
    # What repeats its quote needs no judge.
    assert claims == [{"number": 1, "text": PARAPHRASED[0], "quotes": GREEN}]
    async with desk.db.session() as db:
        asked = await db.execute(select(ModelCallRow.operation).order_by(ModelCallRow.id))
    assert [operation for (operation,) in asked] == ["answer", "judge_claims"]


async def test_no_model_can_judge_a_code_into_a_quote(desk: Resources, ada: Person) -> None:
    await remote(desk)
    await remote(desk, "entailment")
    script = Script([drafting(("E-78 means that its tray is empty.", EMPTY)), judging((0, 1.0))])
    outcome = await service.answer(desk, principal(ada), ASKED, resolve=script.resolve)
    assert isinstance(outcome, Refusal)
    assert (outcome.reason, len(script.seen)) == (Reason.UNSUPPORTED_CLAIM, 1)


async def test_what_may_pass_is_raised_so_that_it_is_tried_again(desk: Resources, ada: Person) -> None:
    await remote(desk)
    async with desk.db.unit_of_work() as db:
        alone = {"fallbacks": {"default": []}, "providers": {"default": {"attempts": 1}}}
        await PLATFORM.update(db, ada.who, values=alone)
    for step in (refusing(500), refusing(429)):
        with pytest.raises(RunFailure):
            await service.answer(desk, principal(ada), ASKED, resolve=Script([step]).resolve)
    away = Database("postgresql://nobody@127.0.0.1:9/none", desk.settings.database)
    with pytest.raises(DATABASE_AWAY):
        await service.answer(replace(desk, db=away), principal(ada), ASKED)


async def test_an_evaluator_that_fails_leaves_no_answer(
    desk: Resources, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(evaluator, "drafted", broken)
    refusal = await service.answer(desk, principal(ada), ASKED)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.signals) == (Reason.LLM_ERROR, None)
