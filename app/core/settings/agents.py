"""What the agents may decide alone."""

from pydantic import BaseModel, Field


class AgentSettings(BaseModel):
    company: str = Field(default="our company", max_length=200, description="What prompts put in for {{company}}.")
    resolve_new_tickets: bool = Field(
        default=False, description="Start the chain of agents for every new ticket, and not only when asked."
    )
    retrain_after: int = Field(
        default=50, ge=0, description="So many new judgements of people let the classifier be trained anew; 0: never."
    )
    review_below: float = Field(
        default=0.6, ge=0, le=1, description="A routing decision less sure than this waits for a person."
    )
