"""Speech services on this machine: small servers that speak the vendors' protocols and check what they are sent."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
import boto3
import numpy as np

KEY = "sk-secret-9f3a"
SAID = "The export fails. Please help."


@dataclass
class Request:
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    """How long it takes to come."""


def as_json(status: int, content: object, **headers: str) -> Reply:
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


@dataclass
class Peer:
    """`instead` are given first, one for a request (None: as it should be); then the service answers as it should."""

    answer: Callable[[Request], Reply]
    instead: list[Reply | None] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[Peer]:
    peer = Peer(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(parts.path, parse_qs(parts.query), headers, body)
            peer.requests.append(request)
            reply = (peer.instead.pop(0) if peer.instead else None) or peer.answer(request)
            time.sleep(reply.seconds)
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except OSError:
                # Nobody waits any more.
                return

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the parameter it overrides
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    peer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def listened(flac: bytes) -> float:
    """How many seconds of sound there are in it; 0 for silence. Refuses what is not FLAC at 16 kHz, mono."""
    with av.open(io.BytesIO(flac), mode="r", format="flac") as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.sample_rate, stream.codec_context.channels) == (16_000, 1)
        sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(stream)])
    return len(sound) / 16_000 if np.any(sound) else 0.0


def openai(request: Request) -> Reply:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        message = f"Incorrect API key provided: {request.headers.get('authorization')}."
        return as_json(401, {"error": {"message": message, "type": "invalid_request_error"}})
    if request.path != "/v1/audio/transcriptions":
        return as_json(404, {"error": {"message": "Not found."}})
    fields = multipart(request)
    seconds = listened(fields["file"])
    if fields["model"] == b"gpt-4o-transcribe":
        assert (fields["response_format"], fields["include[]"]) == (b"json", b"logprobs")
        tokens = [{"token": word, "logprob": -0.1} for word in SAID.split()]
        return as_json(200, {"text": SAID if seconds else "", "logprobs": tokens if seconds else []})
    if fields["model"] != b"whisper-1":
        return as_json(400, {"error": {"message": "invalid model ID", "type": "invalid_request_error"}})
    assert fields["response_format"] == b"verbose_json"
    first, second = SAID.split(". ")
    segments = [
        {"id": 0, "start": 0.0, "end": 2.0, "text": f" {first}.", "avg_logprob": -0.2, "no_speech_prob": 0.05},
        {"id": 1, "start": 2.0, "end": seconds, "text": f" {second}", "avg_logprob": -0.4, "no_speech_prob": 0.05},
    ]
    return as_json(
        200, {"task": "transcribe", "language": "english", "text": SAID, "segments": segments if seconds else []}
    )


def multipart(request: Request) -> dict[str, bytes]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True) or b""  # type: ignore[misc] # of a leaf it is bytes
        for part in message.iter_parts()
    }


def deepgram(request: Request) -> Reply:
    if request.headers.get("authorization") != f"Token {KEY}":
        return as_json(401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."})
    assert request.path == "/v1/listen"
    assert request.headers["content-type"] == "audio/flac"
    assert request.query["mip_opt_out"] == request.query["utterances"] == ["true"]
    if request.query["model"] != ["nova-3"]:
        return as_json(400, {"err_code": "Bad Request", "err_msg": "No such model/language/tier combination found."})
    seconds = listened(request.body)
    first, second = SAID.split(". ")
    utterances = [
        {"start": 0.1, "end": 2.0, "confidence": 0.97, "channel": 0, "transcript": f"{first}.", "words": []},
        {"start": 2.2, "end": seconds, "confidence": 0.91, "channel": 0, "transcript": second, "words": []},
    ]
    return as_json(
        200,
        {
            "metadata": {"model_info": {"30089e05": {"name": "general-nova-3", "version": "2025-07-31.0"}}},
            "results": {
                "channels": [{"alternatives": [{"transcript": SAID}], "detected_language": "en"}],
                "utterances": utterances if seconds else [],
            },
        },
    )


class Transcribe:
    """Amazon Transcribe's JSON protocol; sound is read from, and transcripts are written to, the S3 of the test."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.started = 0
        self.failing = ""

    def __call__(self, request: Request) -> Reply:
        if f"Credential={KEY}/" not in request.headers.get("authorization", ""):
            return self._error("UnrecognizedClientException", "The security token included in the request is invalid.")
        verb = request.headers["x-amz-target"].rpartition(".")[2]
        asked = json.loads(request.body)
        name = asked["TranscriptionJobName"]
        if verb == "StartTranscriptionJob":
            if name in self.jobs:
                return self._error("ConflictException", "The requested job name already exists.")
            assert (asked["MediaFormat"], asked["IdentifyLanguage"]) == ("flac", True)
            self.started += 1
            self.jobs[name] = {**asked, "polls": 0}
        if name not in self.jobs:
            return self._error("BadRequestException", "The requested job couldn't be found.")
        if verb == "DeleteTranscriptionJob":
            del self.jobs[name]
            return self._reply(200, {})
        job = self.jobs[name]
        job["polls"] += 1
        status = "COMPLETED" if job["polls"] > 2 else "IN_PROGRESS"
        found = {"TranscriptionJobName": name, "TranscriptionJobStatus": status}
        if status == "COMPLETED" and self.failing:
            found |= {"TranscriptionJobStatus": "FAILED", "FailureReason": self.failing}
        elif status == "COMPLETED":
            self._write(job)
            found["LanguageCode"] = "en-US"
        return self._reply(200, {"TranscriptionJob": found})

    def _write(self, job: dict[str, Any]) -> None:
        s3 = boto3.client("s3")
        bucket, _, key = job["Media"]["MediaFileUri"].removeprefix("s3://").partition("/")
        seconds = listened(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        items: list[dict[str, Any]] = []
        for number, word in enumerate(SAID.split() if seconds else []):
            start, end = number * 0.5, number * 0.5 + 0.4
            items.append(
                {
                    "type": "pronunciation", "start_time": str(start), "end_time": str(end),
                    "alternatives": [{"confidence": "0.9", "content": word.rstrip(".")}],
                }
            )  # fmt: skip
            if word.endswith("."):
                items.append({"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": "."}]})
        output = {"jobName": job["TranscriptionJobName"], "results": {"items": items}, "status": "COMPLETED"}
        s3.put_object(Bucket=job["OutputBucketName"], Key=job["OutputKey"], Body=json.dumps(output).encode())
        s3.close()

    def _error(self, code: str, message: str) -> Reply:
        return self._reply(400, {"__type": code, "Message": message})

    def _reply(self, status: int, content: object) -> Reply:
        return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/x-amz-json-1.1"})
