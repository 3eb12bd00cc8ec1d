"""The application as a whole, before any room answers."""

import httpx2


async def test_an_unknown_address_is_a_problem_with_the_request_id(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/nowhere", headers={"X-Request-ID": "abc-1"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "abc-1"
