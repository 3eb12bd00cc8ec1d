"""Whatever is sent is answered by a message, and the connection lives."""

import asyncio
import json
from typing import Any

import pytest

from app.websocket.messages import SERVER_MESSAGE
from tests.factories import people
from tests.websocket.conftest import Client, Document, Server, ServerFactory

BAD: list[tuple[str, str]] = [
    ("", "invalid_json"),
    ("not json", "invalid_json"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1}', "invalid_json"),
    ("[" * 30_000, "invalid_json"),
    ('{"a":' * 10_000, "invalid_json"),
    ('"\\ud800"', "invalid_json"),
    ("\x00", "invalid_json"),
    ("NaN", "missing_type"),
    ("null", "missing_type"),
    ("[]", "missing_type"),
    ("12", "missing_type"),
    ("{}", "missing_type"),
    ('{"data": {"ticket_id": 1}}', "missing_type"),
    ('{"type": null}', "unknown_type"),
    ('{"type": {"a": 1}}', "unknown_type"),
    ('{"type": "subscribe_everything", "data": {}}', "unknown_type"),
    ('{"type": "ticket_status_update", "data": {}}', "unknown_type"),
    ('{"type": "get_ticket_status"}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": null}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": []}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": "x"}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": true}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1.5}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 0}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": -1}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1' + "0" * 30 + "}}", "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1' + "0" * 30_000 + "}}", "invalid_json"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1, "extra": 1}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1}, "extra": 1}', "invalid_message"),
    ('{"type": "subscribe_ticket", "data": {"ticket_id": 1, "after": -1}}', "invalid_message"),
    ('{"type": "subscribe_ticket", "data": {"ticket_id": 1, "after": false}}', "invalid_message"),
    ('{"type": "subscribe_job", "data": {"job_id": 1}}', "invalid_message"),
    ('{"type": "subscribe_job", "data": {"job_id": "not a uuid"}}', "invalid_message"),
    ('{"type": "subscribe_job", "data": {"job_id": "a\\u0000b"}}', "invalid_message"),
    ('{"type": "authenticate", "data": {"token": "a\\u0000b"}}', "invalid_message"),
    ('{"type": "authenticate", "data": {"token": "' + "x" * 9000 + '"}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1}, "request_id": {"a": 1}}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1}, "request_id": "a\\u0000"}', "invalid_message"),
    ('{"type": "get_ticket_status", "data": {"ticket_id": 1}, "request_id": 1e999}', "invalid_message"),
]


async def _lives(client: Client) -> None:
    answer = await client.ask("get_ticket_status", "still here", ticket_id=1)
    assert answer["request_id"] == "still here"


def _is_error(answer: Document, code: str) -> None:
    SERVER_MESSAGE.validate_python(answer)
    assert answer["type"] == "error"
    assert answer["protocol"] == "system"
    assert answer["success"] is False
    assert answer["data"]["code"] == code
    assert answer["error"]
    assert "seq" not in answer


async def test_each_bad_message_is_answered_and_the_connection_lives(server: Server, customer: people.Person) -> None:
    async with server.connect(customer.token) as client:
        for text, code in BAD:
            await client.socket.send(text)
            answer = await client.receive()
            _is_error(answer, code)
            assert ("errors" in answer["data"]) is (code == "invalid_message"), text
        await _lives(client)


async def test_the_fields_that_are_wrong_are_named(server: Server, customer: people.Person) -> None:
    async with server.connect(customer.token) as client:
        answer = await client.ask("subscribe_ticket", ticket_id="x", colour="red")
        places = {tuple(error["location"])[-2:] for error in answer["data"]["errors"]}
        assert places == {("data", "ticket_id"), ("data", "colour")}


@pytest.mark.parametrize("request_id", ["a", 12, "é" * 128])
async def test_even_a_bad_message_gets_its_request_id_back(
    server: Server, customer: people.Person, request_id: Any
) -> None:
    async with server.connect(customer.token) as client:
        for message in ({"type": "nonsense"}, {"type": "get_ticket_status"}, {}):
            await client.socket.send(json.dumps({**message, "request_id": request_id}))
            assert (await client.receive())["request_id"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, 2**80, 1.5, True, None, [1], "a\x00"])
async def test_a_request_id_that_is_wrong_itself_is_not_repeated(
    server: Server, customer: people.Person, request_id: Any
) -> None:
    async with server.connect(customer.token) as client:
        await client.socket.send(json.dumps({"type": "nonsense", "request_id": request_id}))
        assert "request_id" not in await client.receive()


async def test_a_binary_frame_is_answered_and_the_connection_lives(server: Server, customer: people.Person) -> None:
    async with server.connect(customer.token) as client:
        await client.socket.send(b'{"type": "get_ticket_status", "data": {"ticket_id": 1}}')
        _is_error(await client.receive(), "binary_not_supported")
        await _lives(client)


async def test_invalid_utf_8_is_closed_with_1007_by_the_server(server: Server, customer: people.Person) -> None:
    async with server.connect(customer.token) as client:
        await client.socket.send(b"\xff\xfe", text=True)
        assert await client.closed() == 1007


async def test_a_message_in_fragments_is_one_message(server: Server, customer: people.Person) -> None:
    async with server.connect(customer.token) as client:
        await client.socket.send(['{"type": "get_ticket_status", ', '"data": {"ticket_id": 1}, ', '"request_id": 1}'])
        assert (await client.receive())["request_id"] == 1


async def test_an_oversized_frame_is_closed_with_1009(server: Server, customer: people.Person) -> None:
    async with server.connect(customer.token) as client:
        await client.socket.send(" " * 70_000)
        assert await client.closed() == 1009
    await server.idle()


async def test_too_many_messages_get_an_error_and_then_4029(
    server_with: ServerFactory, customer: people.Person
) -> None:
    async with server_with({"messages_per_minute": 3}) as server, server.connect(customer.token) as client:
        for _ in range(3):
            assert (await client.ask("get_ticket_status", ticket_id=1))["data"]["code"] == "ticket_not_found"
        _is_error(await client.ask("get_ticket_status", ticket_id=1), "rate_limited")
        assert await client.closed() == 4029
        await server.idle()


async def test_a_frame_that_the_server_lets_through_is_measured_again(
    server_with: ServerFactory, customer: people.Person
) -> None:
    async with server_with({"max_frame_bytes": 1024}, wire={"ws_max_size": 100_000}) as server:
        for text in ("x" * 2000, "é" * 1000):
            async with server.connect(customer.token) as client:
                await client.socket.send("é" * 500)
                _is_error(await client.receive(), "invalid_json")
                await client.socket.send(text)
                assert await client.closed() == 1009


async def test_after_a_minute_there_is_room_again(
    server_with: ServerFactory, customer: people.Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.websocket.session.MINUTE", 0.3)
    async with server_with({"messages_per_minute": 2}) as server, server.connect(customer.token) as client:
        for _ in range(2):
            for _ in range(2):
                assert (await client.ask("get_ticket_status", ticket_id=1))["data"]["code"] == "ticket_not_found"
            await asyncio.sleep(0.35)


async def test_garbage_counts_as_messages(server_with: ServerFactory, customer: people.Person) -> None:
    async with server_with({"messages_per_minute": 2}) as server, server.connect(None) as client:
        await client.ask("authenticate", token=customer.token)
        await client.socket.send(b"\x00")
        _is_error(await client.receive(), "binary_not_supported")
        await client.socket.send("garbage")
        _is_error(await client.receive(), "rate_limited")
        assert await client.closed() == 4029
