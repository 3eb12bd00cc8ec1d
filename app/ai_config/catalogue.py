"""The agents that exist, and the tools that each may be given. Which of them it has is configuration."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from app.inference.operations import Operation

READING_TOOLS = frozenset(
    {
        "analyze_file",
        "bedrock_answer",
        "bedrock_embed",
        "calculate_priority",
        "categorize_issue",
        "check_service_status",
        "check_vip_status",
        "extract_entities",
        "extract_text_from_image",
        "find_similar_tickets",
        "get_file_metadata",
        "get_historical_context",
        "get_ticket",
        "recommend_solution",
        "route_to_team",
        "sagemaker_classify_ticket",
        "sagemaker_predict_resolution_time",
        "search_knowledge_base",
        "search_tickets",
        "transcribe_audio",
    }
)
"""Tools that change nothing: what a trial of a configuration may use."""

WRITING_TOOLS = frozenset(
    {
        "add_comment",
        "create_github_issue",
        "create_integration_ticket",
        "create_jira_ticket",
        "create_salesforce_case",
        "create_ticket",
        "update_ticket",
    }
)

ALL_TOOLS = READING_TOOLS | WRITING_TOOLS


class AgentType(StrEnum):
    CUSTOMER_SUPPORT = "customer_support"
    CATEGORIZATION = "categorization"
    FILE_ANALYSIS = "file_analysis"
    CONTEXT = "context"
    TRIAGE = "triage"
    ROUTING = "routing"
    RESPONSE = "response"
    QUALITY = "quality"
    ESCALATION = "escalation"
    LEARNING = "learning"
    ANSWER = "answer"
    ENTAILMENT = "entailment"
    SUMMARY = "summary"


AGENT_OF: dict[Operation, AgentType] = {
    Operation.CREATE_TICKET: AgentType.CUSTOMER_SUPPORT,
    Operation.CATEGORIZE: AgentType.CATEGORIZATION,
    Operation.ANALYZE_FILES: AgentType.FILE_ANALYSIS,
    Operation.GATHER_CONTEXT: AgentType.CONTEXT,
    Operation.TRIAGE: AgentType.TRIAGE,
    Operation.ROUTE: AgentType.ROUTING,
    Operation.RESPOND: AgentType.RESPONSE,
    Operation.CHECK_DRAFT: AgentType.QUALITY,
    Operation.ESCALATE: AgentType.ESCALATION,
    Operation.LEARN: AgentType.LEARNING,
    Operation.ANSWER: AgentType.ANSWER,
    Operation.JUDGE_CLAIMS: AgentType.ENTAILMENT,
    Operation.SUMMARIZE: AgentType.SUMMARY,
}


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """`allowed` is the most an agent may be given; without `required` it could not do its work."""

    allowed: frozenset[str]
    required: frozenset[str]
    default: tuple[str, ...]


def tools_for(operation: Operation, enabled: Collection[str]) -> frozenset[str]:
    """What a run may call: what is enabled, as far as its operation needs it. Only the one that the person asked to
    create a ticket may create one, and none may change what is there, whatever the model or the texts it reads say."""
    needed = READING_TOOLS | {"create_ticket"} if operation is Operation.CREATE_TICKET else READING_TOOLS
    return needed.intersection(enabled)


_ALONE = ToolPolicy(READING_TOOLS, frozenset(), ())
"""Works on what it is given; needs no tool."""

POLICIES: dict[AgentType, ToolPolicy] = {
    AgentType.CUSTOMER_SUPPORT: ToolPolicy(
        allowed=READING_TOOLS | {"create_ticket"},
        required=frozenset({"create_ticket"}),
        default=(
            "analyze_file",
            "search_tickets",
            "search_knowledge_base",
            "categorize_issue",
            "calculate_priority",
            "extract_entities",
            "route_to_team",
            "create_ticket",
        ),
    ),
    AgentType.CATEGORIZATION: ToolPolicy(
        allowed=READING_TOOLS,
        required=frozenset(),
        default=("categorize_issue", "calculate_priority", "extract_entities", "route_to_team", "search_tickets"),
    ),
    AgentType.FILE_ANALYSIS: ToolPolicy(
        allowed=READING_TOOLS,
        required=frozenset(),
        default=("analyze_file", "get_file_metadata", "extract_entities"),
    ),
    AgentType.CONTEXT: ToolPolicy(
        allowed=READING_TOOLS,
        required=frozenset(),
        default=("get_historical_context", "check_vip_status", "extract_entities"),
    ),
    AgentType.TRIAGE: ToolPolicy(
        allowed=READING_TOOLS,
        required=frozenset(),
        default=("categorize_issue", "check_service_status", "calculate_priority"),
    ),
    AgentType.ROUTING: ToolPolicy(
        allowed=READING_TOOLS,
        required=frozenset(),
        default=(
            "categorize_issue",
            "extract_entities",
            "check_vip_status",
            "check_service_status",
            "calculate_priority",
            "route_to_team",
            "get_historical_context",
        ),
    ),
    AgentType.RESPONSE: ToolPolicy(
        allowed=READING_TOOLS,
        required=frozenset(),
        default=("recommend_solution", "search_knowledge_base"),
    ),
    AgentType.QUALITY: _ALONE,
    AgentType.ESCALATION: _ALONE,
    AgentType.LEARNING: _ALONE,
    # They work from what they are given, and from nothing else.
    AgentType.ANSWER: ToolPolicy(frozenset(), frozenset(), ()),
    AgentType.ENTAILMENT: ToolPolicy(frozenset(), frozenset(), ()),
    AgentType.SUMMARY: ToolPolicy(frozenset(), frozenset(), ()),
}
