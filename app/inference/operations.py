"""What a model is called for. Cost, tokens and prompts are recorded per operation, never per provider."""

from enum import StrEnum


class Operation(StrEnum):
    CREATE_TICKET = "create_ticket"
    CATEGORIZE = "categorize"
    TRIAGE = "triage"
    ANALYZE_FILES = "analyze_files"
    ANSWER = "answer"
    SUMMARIZE = "summarize"
    EMBED = "embed"
