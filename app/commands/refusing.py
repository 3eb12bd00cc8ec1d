"""How a command ends that cannot do anything with what it was given."""

import sys
from typing import NoReturn

UNUSABLE = 2
"""The exit status."""


def refuse(sentence: str) -> NoReturn:
    """End the program with a sentence on standard error."""
    sys.stderr.write(f"{sentence}\n")
    sys.exit(UNUSABLE)
