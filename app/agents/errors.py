"""What can be wrong with a run: for the person who asked, and, between the parts of this room, for the run itself."""

from app.core.errors import Forbidden, Invalid, NotFound, Problem


class RunMissing(NotFound):
    code, title = "run_not_found", "No such run"
    detail = "There is no agent run of this id that you may see."


class ToolUnknown(Invalid):
    code, title = "tool_unknown", "No such tool"
    detail = "There is no tool of this name."


class ToolTokenRefused(Forbidden):
    code, title = "tool_token_refused", "An API key gets no tool token"
    detail = "Log in as a person: a tool token reaches further than an API key may."


class AgentRunFailed(Problem):
    """`run_id` and `reason` say more; the run itself stays readable."""

    code, status, title = "agent_run_failed", 502, "The agent could not do it"
    detail = "The run has failed."


class BatchMissing(NotFound):
    code, title = "batch_not_found", "No such batch"
    detail = "There is no batch of this id that you may see."


class BatchOperationRefused(Invalid):
    code, title = "batch_operation_refused", "Not an operation for a batch"
    detail = "A batch can do what an agent does without changing anything, such as categorize."


class RunFailure(Exception):
    """A run cannot go on. `reason` is a sentence for the person who asked; `passing`: trying again may help."""

    def __init__(self, reason: str, *, passing: bool) -> None:
        self.reason = reason
        self.passing = passing
        super().__init__(reason)
