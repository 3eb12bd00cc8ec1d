"""Running a set's cases with a configuration, and judging the answers, with Pydantic Evals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import Evaluator, EvaluatorContext, EvaluatorOutput

from app.agents import service as agents
from app.agents.schemas import TrialRun
from app.ai_config.catalogue import AgentType
from app.ai_config.schemas import ConfigValues
from app.core.auth import Principal
from app.core.resources import Resources
from app.evaluations.schemas import CaseJudged, CaseReport, FieldJudged
from app.inference.assembly import ResolveModel
from app.inference.registry import resolve as resolve_model

AT_A_TIME = 4
"""Cases under way; each provider's own limit holds besides."""


def matches(expected: Any, got: Any) -> bool:
    """A list: one of its values. Bounds: a number within them. Texts are compared without regard to case."""
    if isinstance(expected, list):
        return any(matches(one, got) for one in expected)
    if isinstance(expected, dict):
        if (part := expected.get("contains")) is not None:
            return isinstance(got, str) and part.casefold() in got.casefold()
        least, most = expected.get("min"), expected.get("max")
        number = isinstance(got, int | float) and not isinstance(got, bool)
        return number and (least is None or got >= least) and (most is None or got <= most)
    if isinstance(expected, str) and isinstance(got, str):
        return expected.casefold() == got.casefold()
    return bool(expected == got) and isinstance(expected, bool) == isinstance(got, bool)


@dataclass
class ExpectedFields(Evaluator[dict[str, Any], TrialRun, None]):
    """One assertion a field."""

    def evaluate(self, ctx: EvaluatorContext[dict[str, Any], TrialRun, None]) -> EvaluatorOutput:
        result = ctx.output.result or {}
        return {name: matches(value, result.get(name)) for name, value in ctx.inputs["expected"].items()}


async def judge(
    resources: Resources,
    who: Principal,
    kind: AgentType,
    cases: list[dict[str, Any]],
    config: ConfigValues,
    version: int | None,
    *,
    resolve: ResolveModel = resolve_model,
) -> list[CaseJudged]:
    """What the configuration makes of each case, in their order. A run that fails scores nothing; it is no error."""

    async def answer(case: dict[str, Any]) -> TrialRun:
        return await agents.try_alone(
            resources,
            who,
            kind,
            config=config,
            version=version,
            text=case["input"],
            material=case.get("material"),
            resolve=resolve,
        )

    dataset = Dataset[dict[str, Any], TrialRun, None](
        name=kind,
        cases=[Case(name=str(number), inputs=case) for number, case in enumerate(cases)],
        evaluators=[ExpectedFields()],
    )
    report = await dataset.evaluate(answer, max_concurrency=AT_A_TIME, progress=False)
    if report.failures:
        # A failed run is an answer here; what is left is a defect or an outage of our own, which another attempt mends.
        raise RuntimeError(report.failures[0].error_message)
    judged = {
        int(one.name): _judged(one.output, {name: result.value for name, result in one.assertions.items()})
        for one in report.cases
    }
    return [judged[number] for number in range(len(cases))]


def _judged(run: TrialRun, right: Mapping[str, bool]) -> CaseJudged:
    result = run.result or {}
    return CaseJudged(
        score=0.0 if run.result is None else sum(right.values()) / len(right),
        fields={name: FieldJudged(right=good, got=result.get(name)) for name, good in right.items()},
        error=run.error,
        seconds=run.seconds,
        cost_usd=run.cost_usd,
    )


def score(judged: list[CaseJudged]) -> float:
    """Every case counts alike."""
    return round(sum(one.score for one in judged) / len(judged), 6)


def together(cases: list[dict[str, Any]], active: list[CaseJudged], candidate: list[CaseJudged]) -> list[CaseReport]:
    return [
        CaseReport(name=case["name"], input=case["input"], expected=case["expected"], active=old, candidate=new)
        for case, old, new in zip(cases, active, candidate, strict=True)
    ]
