"""The agents that exist, and the tools that each may be given. Which of them it has is configuration."""

from dataclasses import dataclass
from enum import StrEnum

READING_TOOLS = frozenset(
    {
        "analyze_file",
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
        "search_knowledge_base",
        "search_tickets",
        "transcribe_audio",
    }
)
"""Tools that change nothing: what a trial of a configuration may use."""

WRITING_TOOLS = frozenset({"add_comment", "create_ticket", "update_ticket"})

ALL_TOOLS = READING_TOOLS | WRITING_TOOLS


class AgentType(StrEnum):
    CUSTOMER_SUPPORT = "customer_support"
    CATEGORIZATION = "categorization"


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """`allowed` is the most an agent may be given; without `required` it could not do its work."""

    allowed: frozenset[str]
    required: frozenset[str]
    default: tuple[str, ...]


POLICIES: dict[AgentType, ToolPolicy] = {
    AgentType.CUSTOMER_SUPPORT: ToolPolicy(
        allowed=ALL_TOOLS,
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
}
