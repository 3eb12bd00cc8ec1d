"""What a scan may spend on one file, however its archives are folded into one another."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Depth counts archives inside archives (the file itself is 0); text compresses 5 to 20 times, rarely over 100."""

    max_depth: int = 5
    max_entries: int = 20_000
    max_ratio: int = 200
    ratio_from_bytes: int = 64 * MEBIBYTE
    max_expanded_bytes: int = 10 * 1024 * MEBIBYTE
    inspect_bytes: int = 512 * MEBIBYTE
    refuse_macros: bool = False


class Harm(Exception):
    """Found; the message is a sentence for people."""


class Spent(Exception):
    """The budget is used up: the rest of the file was not looked at."""


class Budget:
    """Bytes that decompression may still bring out, and entries that may still be opened."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._bytes = limits.inspect_bytes
        self._entries = limits.max_entries

    def entry(self) -> None:
        self._entries -= 1
        if self._entries < 0:
            raise Spent

    def expanded(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise Spent

    def refuse_bomb(self, packed: int, expanded: int) -> None:
        """Raises Harm when so much comes, or is announced to come, from so little."""
        limits = self.limits
        over_ratio = expanded > limits.ratio_from_bytes and expanded > limits.max_ratio * max(1, packed)
        if over_ratio or expanded > limits.max_expanded_bytes:
            raise Harm(f"The archive expands from {packed:,} to {expanded:,} bytes: a decompression bomb.")
