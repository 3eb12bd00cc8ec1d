import uuid

import pytest
from fastmcp.exceptions import ToolError
from sqlalchemy import select

from app.core.resources import Resources
from app.knowledge import service as knowledge
from app.knowledge.schemas import Acl, DocumentIn, DocumentOut
from app.models.file import ProcessingStatus
from app.models.search_record import SearchRecord
from app.models.ticket import TicketStatus
from app.tickets import service as tickets
from mcp_server.tools.file_analysis_tools import MAX_TEXT_CHARS
from tests.factories.people import Person
from tests.factories.recognised import add_file
from tests.factories.tickets import ticket
from tests.mcp_server.calling import call

REPORT = "Checkout fails with ERR_PAYMENT_504 for all customers since version 4.2.1, see https://shop.example.com/pay"


async def test_a_file_is_read_as_it_was_recognised(equipped: Resources, ada: Person) -> None:
    file_id = await add_file(equipped, ada.who, language="en")
    found = await call(equipped, ada, "analyze_file", file_id=str(file_id))
    assert found == {
        "file_id": str(file_id),
        "filename": "screenshot.png",
        "processing_status": "completed",
        "analysis_type": "ocr",
        "extracted_text": "ERR_PAYMENT_504 Gateway timeout",
        "truncated": False,
        "confidence": 0.93,
        "low_confidence": False,
        "language": "en",
        "engine": "rapidocr",
        "error": None,
    }
    assert await call(equipped, ada, "extract_text_from_image", file_id=str(file_id)) == found
    described = await call(equipped, ada, "get_file_metadata", file_id=str(file_id))
    assert (described["file_type"], described["file_size"], described["metadata"]) == (
        "image/png",
        1000,
        {"width": 1000},
    )
    assert (described["confidence"], described["low_confidence"], described["language"]) == (0.93, False, "en")


async def test_a_doubtful_reading_is_called_so(equipped: Resources, ada: Person) -> None:
    file_id = await add_file(equipped, ada.who, confidence=0.4, low_confidence=True)
    assert (await call(equipped, ada, "analyze_file", file_id=str(file_id)))["low_confidence"] is True


async def test_a_recording_is_no_picture_and_the_reverse(equipped: Resources, ada: Person) -> None:
    picture = await add_file(equipped, ada.who)
    recording = await add_file(
        equipped,
        ada.who,
        filename="note.wav",
        file_type="audio/wav",
        text="it is broken",
        analysis_type="transcription",
    )
    assert (await call(equipped, ada, "transcribe_audio", file_id=str(recording)))["extracted_text"] == "it is broken"
    with pytest.raises(ToolError, match=r"note\.wav is no picture but audio/wav"):
        await call(equipped, ada, "extract_text_from_image", file_id=str(recording))
    with pytest.raises(ToolError, match=r"screenshot\.png is no recording but image/png"):
        await call(equipped, ada, "transcribe_audio", file_id=str(picture))


async def test_a_long_text_is_cut_and_says_so(equipped: Resources, ada: Person) -> None:
    file_id = await add_file(equipped, ada.who, filename="app.log", file_type="text/plain", text="x" * 100_000)
    found = await call(equipped, ada, "analyze_file", file_id=str(file_id))
    assert (len(found["extracted_text"]), found["truncated"]) == (MAX_TEXT_CHARS, True)


async def test_a_file_that_could_not_be_read_says_why(equipped: Resources, ada: Person) -> None:
    file_id = await add_file(
        equipped, ada.who, status=ProcessingStatus.FAILED, text=None, confidence=None, error="The picture is damaged."
    )
    found = await call(equipped, ada, "analyze_file", file_id=str(file_id))
    assert (found["processing_status"], found["extracted_text"]) == ("failed", None)
    assert found["error"] == "The picture is damaged."


async def test_somebody_elses_file_is_not_there(equipped: Resources, ada: Person, ben: Person, agent: Person) -> None:
    file_id = await add_file(equipped, ada.who)
    for tool in ("analyze_file", "get_file_metadata", "extract_text_from_image", "transcribe_audio"):
        with pytest.raises(ToolError, match="file"):
            await call(equipped, ben, tool, file_id=str(file_id))
    with pytest.raises(ToolError, match="file"):
        await call(equipped, ben, "analyze_file", file_id=str(uuid.uuid4()))
    assert (await call(equipped, agent, "analyze_file", file_id=str(file_id)))["filename"] == "screenshot.png"


async def test_a_report_is_categorised_scored_and_routed(equipped: Resources, ada: Person) -> None:
    found = await call(equipped, ada, "categorize_issue", text=REPORT, title="Checkout fails")
    assert 0 < found["confidence"] <= 1
    assert found["category"] in ("incident", "billing", "bug")
    scored = await call(equipped, ada, "calculate_priority", text=REPORT, category="incident")
    assert scored["priority"] == "critical"
    assert any(term["evidence"] for term in scored["terms"])
    route = await call(equipped, ada, "route_to_team", category="incident", priority="critical")
    assert route == {
        "team": "operations",
        "recommended_integration": "jira",
        "reason": "“incident” goes to operations. It is critical: tell them at once.",
    }
    trace = 'Traceback (most recent call last):\n  File "shop/pay.py", line 7, in pay\nValueError: no amount'
    coded = await call(equipped, ada, "route_to_team", category="bug", priority="low", text=trace)
    assert coded["recommended_integration"] == "github"
    unknown = await call(equipped, ada, "route_to_team", category="weather", priority="low")
    assert unknown["team"] == "support"
    assert "unknown" in unknown["reason"]


async def test_facts_are_taken_word_for_word(equipped: Resources, ada: Person) -> None:
    found = await call(equipped, ada, "extract_entities", text=REPORT)
    assert found["error_codes"] == ["ERR_PAYMENT_504"]
    assert found["versions"] == ["4.2.1"]
    assert found["urls"] == ["https://shop.example.com/pay"]
    assert found["expected"] is None


async def test_the_knowledge_base_knows_how_earlier_problems_ended(
    equipped: Resources, ada: Person, ben: Person, agent: Person
) -> None:
    solved = await ticket(equipped, ada.who, title="Printer offline", description="The office printer shows E-77.")
    await ticket(equipped, ada.who, title="Printer offline again", description="Still open, E-77.")
    async with equipped.db.unit_of_work() as db:
        await tickets.comment(db, agent.who, solved.id, body="Restart the print server.")
        await tickets.change_status(db, agent.who, solved.id, status=TicketStatus.RESOLVED)
    (found,) = await call(equipped, ada, "search_knowledge_base", query="printer E-77")
    assert (found["ticket_id"], found["resolution"]) == (solved.id, "Restart the print server.")
    assert 0 < found["score"] <= 1
    assert await call(equipped, ben, "search_knowledge_base", query="printer E-77") == []
    assert await call(equipped, ada, "search_knowledge_base", query="coffee machine") == []


async def add_document(resources: Resources, person: Person, acl: Acl, **given: str) -> DocumentOut:
    """Indexed at once."""
    async with resources.db.unit_of_work() as db:
        made = await knowledge.create(db, person.who, document=DocumentIn(acl=acl, **given), start=False)
    await knowledge.index(resources.db, made.doc_id, made.version)
    return made


async def test_searches_of_tools_are_kept_like_others(equipped: Resources, ada: Person, agent: Person) -> None:
    await add_document(equipped, agent, Acl(public=True), title="Printers", text="E-77 means an empty tray.")
    await call(equipped, ada, "search_knowledge_base", query="What is E-77? Ask ada@example.com")
    await call(equipped, ada, "recommend_solution", text="The office printer shows E-77, what to do?")
    async with equipped.db.session() as db:
        rows = (await db.execute(select(SearchRecord).order_by(SearchRecord.id))).scalars().all()
    assert [(row.reader_id, row.reader_role, row.found) for row in rows] == [(ada.id, "customer", 1)] * 2
    assert "ada@" not in rows[0].query
    assert all(row.correlation_id for row in rows)


async def test_documents_and_solved_cases_are_found_together_by_whom_they_are_for(
    equipped: Resources, ada: Person, ben: Person, agent: Person
) -> None:
    words = "When the office printer shows E-77, hold the red button for ten seconds."
    document = await add_document(equipped, agent, Acl(people=[ada.id]), title="Printers", text=words)
    solved = await ticket(equipped, ada.who, title="Printer offline", description="The office printer shows E-77.")
    async with equipped.db.unit_of_work() as db:
        await tickets.comment(db, agent.who, solved.id, body="Restart the print server.")
        await tickets.change_status(db, agent.who, solved.id, status=TicketStatus.RESOLVED)
    found = await call(equipped, ada, "search_knowledge_base", query="office printer shows E-77")
    assert [one["source"] for one in found] == ["document", "ticket"]
    assert (found[0]["doc_id"], found[0]["text"]) == (str(document.doc_id), words)
    advised = await call(equipped, ada, "recommend_solution", text="The office printer shows E-77, what to do?")
    told = [(one["ticket_id"], one["doc_id"], one["quote"]) for one in advised["solutions"]]
    assert told == [(solved.id, None, "Restart the print server."), (None, str(document.doc_id), words)]
    assert advised["reason"] == "Like “Printer offline”, which was solved."
    for query in ("office printer shows E-77", "holidays in spring"):
        assert await call(equipped, ben, "search_knowledge_base", query=query) == []
        assert (await call(equipped, ben, "recommend_solution", text=query))["recommended"] is False
    assert await call(equipped, ada, "search_knowledge_base", query="holidays in spring") == []
