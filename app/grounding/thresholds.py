"""What an answer must reach, and how measurements become one chance. Delivered in `app/config/answers.yaml`."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(strict=True, ge=-1_000, le=1_000, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Calibration(_Section):
    """A conditional logit: every document has a utility, the weighted sum of its figures, and “none of them” has one
    too. The chance of a document is its share of the exponentials (McFadden 1974)."""

    none: Number
    meaning: Number
    subject: Number
    words: Number
    coverage: Number
    subject_coverage: Number
    together: Number
    titled: Number
    unsaid: Number
    meaning_lead: Number
    words_lead: Number
    coverage_lead: Number
    reranked: Number = 0.0


class Thresholds(_Section):
    confidence: Share = Field(description="Least chance that the cited documents are the right ones.")
    meaning: Share = Field(description="Below this cosine there is no evidence at all.")
    coverage: Share = Field(description="Least share of the question, by weight, that a cited document says.")
    cited: Share = Field(description="Least share of sentences with a citation that stands as quoted.")
    support: Share = Field(description="Least support of any sentence by what it cites.")
    identifiers: bool = Field(
        description="Whether sources that name another error code, CVE or part than the question are refused."
    )
    conflicts: bool = Field(description="Whether sources that contradict each other are a reason to refuse.")
    calibration: Calibration


@lru_cache(maxsize=1)
def delivered() -> dict[str, Any]:
    """The delivered file, as it stands."""
    path = files("app") / "config" / "answers.yaml"
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def effective(replaced: Mapping[str, Any]) -> Thresholds:
    """The delivered values with these in their place. Raises pydantic's ValidationError."""
    return Thresholds.model_validate({**delivered(), **replaced})
