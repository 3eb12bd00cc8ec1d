"""What the agents may decide alone, and how much each sign of urgency counts."""

from typing import Annotated

from pydantic import BaseModel, Field

Weight = Annotated[float, Field(ge=0, le=100)]


class PrioritySettings(BaseModel):
    """The groups read from a text have points of their own (`app.inference.local.priority_terms`), which these
    multiply; `vip`, `active_outage` and `repeated_contact` are points."""

    category: Weight = 1.0
    severity: Weight = 1.0
    outage: Weight = 1.0
    scope: Weight = 1.0
    deadline: Weight = 1.0
    sentiment: Weight = 1.0
    repeat: Weight = 1.0
    relief: Weight = 1.0
    vip: Weight = 12.0
    active_outage: Weight = 18.0
    repeated_contact: Weight = 8.0


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
