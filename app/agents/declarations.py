"""The agents: typed dependencies, typed answers, and everything else from the configuration a run was started with."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext, ToolOutput
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

from app.agents.results import (
    ContextResult,
    EntailmentResult,
    EscalationResult,
    FileFindings,
    GroundedDraft,
    LearningResult,
    QualityResult,
    ReplyResult,
    RoutingResult,
    SummaryResult,
    TriageResult,
)
from app.agents.schemas import CategorizationResult, TicketDraftResult
from app.ai_config.catalogue import AgentType
from mcp_client.client import CallLog, ToolDoor, toolset_for

TOOL_RETRIES = 2
ANSWER_RETRIES = 3


@dataclass(frozen=True, slots=True)
class RunDeps:
    """What a run is given: its instructions and tools, and the door to them as the person who asked; None: it has
    none."""

    system_prompt: str
    tools: frozenset[str]
    door: ToolDoor | None
    must_create: bool = False
    calls: CallLog = field(default_factory=CallLog)

    def created_ticket(self) -> int | None:
        for call in reversed(self.calls.calls):
            if call.tool == "create_ticket" and not call.failed and isinstance(call.result, dict):
                return int(call.result["ticket_id"])
        return None


def _instructions(run: RunContext[RunDeps]) -> str:
    return run.deps.system_prompt


def _toolset(run: RunContext[RunDeps]) -> AbstractToolset[RunDeps]:
    deps = run.deps
    if deps.door is None:
        return FunctionToolset()
    return toolset_for(deps.door, enabled=deps.tools, log=deps.calls, retries=TOOL_RETRIES)


def _agent(kind: AgentType, answer: type[Any]) -> Agent[RunDeps, Any]:
    agent: Agent[RunDeps, Any] = Agent(
        name=kind,
        deps_type=RunDeps,
        output_type=ToolOutput(answer, name="final_result"),
        instructions=_instructions,
        retries={"tools": TOOL_RETRIES, "output": ANSWER_RETRIES},
    )
    # Once a run, not once a step: one connection, and one list of tools from beginning to end.
    agent.toolset(per_run_step=False)(_toolset)
    return agent


customer_support: Agent[RunDeps, TicketDraftResult] = _agent(AgentType.CUSTOMER_SUPPORT, TicketDraftResult)


@customer_support.output_validator
def _the_ticket_exists(run: RunContext[RunDeps], answer: TicketDraftResult) -> TicketDraftResult:
    """An answer about a ticket counts only when the tool really made one; the number is the tool's, not the model's."""
    if not run.deps.must_create:
        return answer.model_copy(update={"ticket_id": None})
    ticket_id = run.deps.created_ticket()
    if ticket_id is None:
        raise ModelRetry("No ticket was created yet. Call create_ticket first, then answer.")
    return answer.model_copy(update={"ticket_id": ticket_id})


ANSWERS: dict[AgentType, type[BaseModel]] = {
    AgentType.CUSTOMER_SUPPORT: TicketDraftResult,
    AgentType.CATEGORIZATION: CategorizationResult,
    AgentType.FILE_ANALYSIS: FileFindings,
    AgentType.CONTEXT: ContextResult,
    AgentType.TRIAGE: TriageResult,
    AgentType.ROUTING: RoutingResult,
    AgentType.RESPONSE: ReplyResult,
    AgentType.QUALITY: QualityResult,
    AgentType.ESCALATION: EscalationResult,
    AgentType.LEARNING: LearningResult,
    AgentType.ANSWER: GroundedDraft,
    AgentType.ENTAILMENT: EntailmentResult,
    AgentType.SUMMARY: SummaryResult,
}


def answer_fields(kind: AgentType) -> frozenset[str]:
    """What an agent's answer consists of."""
    return frozenset(ANSWERS[kind].model_fields)


AGENTS: dict[AgentType, Agent[RunDeps, Any]] = {
    AgentType.CUSTOMER_SUPPORT: customer_support,
    **{kind: _agent(kind, answer) for kind, answer in ANSWERS.items() if kind is not AgentType.CUSTOMER_SUPPORT},
}
