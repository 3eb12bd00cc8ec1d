import httpx2

from app.core.resources import Resources
from tests.factories.people import Person

REPORT = (
    "The checkout fails with error ERR_PAYMENT_504 since the update to version 4.2.1. "
    "Nobody in our shop can pay any more. https://shop.example.com/checkout"
)


async def test_a_report_becomes_a_categorised_ticket(staffed: Resources, api: httpx2.AsyncClient, ada: Person) -> None:
    answer = await api.post("/api/v1/agent/create-ticket", json={"user_input": REPORT}, headers=ada.headers)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    ticket = (await api.get(f"/api/v1/tickets/{found['ticket_id']}", headers=ada.headers)).json()
    assert ticket["category"] == found["category"]
    run = (await api.get(answer.headers["Location"], headers=ada.headers)).json()
    assert run["status"] == "completed"
