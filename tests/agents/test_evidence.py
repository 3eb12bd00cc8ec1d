from typing import Any, Literal

from app.agents.evidence import checked
from app.agents.schemas import Evidence
from app.models.base import uuid7
from app.models.file import File

REQUEST: dict[str, Any] = {
    "user_input": "Nobody can pay.\nERR_504  appears.",
    "conversation_history": [{"role": "customer", "content": "It began at noon."}],
    "page_context": {"url": "https://shop.example.com", "errors": [{"code": "E-7"}, None]},
}


def quoted(source: Literal["text", "conversation", "page", "ticket", "ocr"], quote: str, **more: Any) -> bool:
    (found,) = checked([Evidence(source=source, quote=quote, **more)], REQUEST, [])
    return found.verified


def test_a_quote_is_found_whatever_its_spaces_and_case() -> None:
    assert quoted("text", "nobody can pay. err_504 appears")
    assert quoted("conversation", "began at noon")
    assert quoted("page", "code: E-7")
    assert quoted("page", "https://shop.example.com")


def test_what_was_never_said_is_marked() -> None:
    assert not quoted("text", "Everybody can pay")
    assert not quoted("conversation", "Nobody can pay")
    assert not quoted("text", "  ")
    assert not quoted("ticket", "Nobody can pay", ticket_id=7)


def test_a_quote_from_a_file_is_looked_up_in_that_file() -> None:
    file = File(id=uuid7(), filename="shot.png", text="Gateway Timeout 504")
    empty = File(id=uuid7(), filename="empty.png", text=None)
    evidence = [
        Evidence(source="ocr", file_id=file.id, filename="forged.png", quote="gateway timeout", confidence=0.9),
        Evidence(source="ocr", file_id=file.id, quote="Nobody can pay"),
        Evidence(source="ocr", file_id=empty.id, quote="x"),
        Evidence(source="ocr", file_id=uuid7(), quote="from elsewhere"),
    ]
    found = checked(evidence, REQUEST, [file, empty])
    assert [(item.filename, item.verified) for item in found] == [
        ("shot.png", True),
        ("shot.png", False),
        ("empty.png", False),
    ]


def test_a_report_without_context_is_no_obstacle() -> None:
    (found,) = checked([Evidence(source="page", quote="x")], {"user_input": "y"}, [])
    assert not found.verified
