"""Reads the labelled examples, our own work under this repository's licence, that the classifier learns from."""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files

EXAMPLES_FILE = "examples.jsonl"


@dataclass(frozen=True, slots=True)
class Example:
    category: str
    language: str
    text: str


def data_bytes(name: str) -> bytes:
    return (files("app.inference.local") / "data" / name).read_bytes()


def load_examples() -> list[Example]:
    lines = data_bytes(EXAMPLES_FILE).decode("utf-8").splitlines()
    return [Example(**json.loads(line)) for line in lines if line]


def examples_hash() -> str:
    """SHA-256 of the examples as shipped; the classifier's metadata carries the one it was trained on."""
    return hashlib.sha256(data_bytes(EXAMPLES_FILE)).hexdigest()
