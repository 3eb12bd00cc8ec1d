"""What a model is called for. Cost, tokens and prompts are recorded per operation, never per provider."""

from enum import StrEnum


class Operation(StrEnum):
    CREATE_TICKET = "create_ticket"
    CATEGORIZE = "categorize"
    TRIAGE = "triage"
    ANALYZE_FILES = "analyze_files"
    GATHER_CONTEXT = "gather_context"
    ROUTE = "route"
    RESPOND = "respond"
    CHECK_DRAFT = "check_draft"
    ESCALATE = "escalate"
    LEARN = "learn"
    ANSWER = "answer"
    JUDGE_CLAIMS = "judge_claims"
    SUMMARIZE = "summarize"
    EMBED = "embed"
    RERANK = "rerank"
