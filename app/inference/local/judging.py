"""What the local model makes of evidence, drafts, cases and corrections. Rules that can be read and argued with."""

import re
from typing import Any, Final

from app.inference.embedding import likeness
from app.inference.local.enrichment import enrich

SURE_FROM: Final = 0.6
RELEVANT_FROM: Final = 0.25
"""Cosine of draft and ticket; two texts of unlike matters are mostly below it."""
REPEATS_FOR_ESCALATION: Final = 2
LEAST_WORDS_TO_LEARN: Final = 4
_BLAMING = re.compile(
    r"\b(?:your fault|you should have|you failed|obviously you|wie jeder weiß|ihre schuld)\b", re.IGNORECASE
)
_CODE = re.compile(r"\b(?=[A-Z0-9_-]{0,30}\d)[A-Z][A-Z0-9_-]{2,30}\b")

_PHRASES: Final[dict[str, tuple[str, str, str]]] = {
    "en": ("Hello,", "the same problem was solved before (“{title}”):", "Please tell us whether this helps you too."),
    "de": ("Guten Tag,", "dasselbe Problem wurde schon gelöst („{title}“):", "Bitte sagen Sie uns, ob das auch hilft."),
    "es": ("Hola:", "el mismo problema ya se resolvió («{title}»):", "Díganos, por favor, si esto también le ayuda."),
    "fr": ("Bonjour,", "le même problème a déjà été résolu (« {title} ») :", "Dites-nous si cela vous aide aussi."),
}

_DOCUMENT: Final[dict[str, str]] = {
    "en": "our documentation says of this (“{title}”):",
    "de": "unsere Dokumentation sagt dazu („{title}“):",
    "es": "nuestra documentación dice sobre esto («{title}»):",
    "fr": "notre documentation dit à ce sujet (« {title} ») :",
}
_SOURCE = ("ticket_id", "doc_id", "version", "chunk_id")

Facts = dict[str, Any]


def reply(text: str, recommended: Facts) -> Facts:
    """The best solution in its own words, between a greeting and a question; without one there is no draft."""
    solutions = recommended.get("solutions") or []
    if not recommended.get("recommended") or not solutions:
        return {
            "abstained": True,
            "body": "",
            "citations": [],
            "confidence": 0.0,
            "missing": "No solved problem is like this one; a person has to find the answer.",
        }
    best = solutions[0]
    language = enrich(text).language or "en"
    greeting, before, question = _PHRASES.get(language, _PHRASES["en"])
    if best.get("doc_id"):
        before = _DOCUMENT.get(language, _DOCUMENT["en"])
    body = f"{greeting}\n\n{before.format(title=best['title'])}\n\n{best['quote']}\n\n{question}"
    source = {name: best[name] for name in _SOURCE if best.get(name) is not None}
    citation = {**source, "title": best["title"], "quote": best["quote"]}
    return {
        "abstained": False,
        "body": body,
        "citations": [citation],
        "confidence": float(recommended.get("confidence") or 0.0),
        "missing": "",
    }


def checked(text: str, material: Facts) -> Facts:
    draft = material.get("respond") or {}
    body, citations = str(draft.get("body") or ""), draft.get("citations") or []
    near = likeness(text, [body])[0] if body.strip() else 0.0
    asked = set(_CODE.findall(text))
    told = set(_CODE.findall(body + " ".join(str(one.get("title")) for one in citations)))
    points = {
        "has_solution": bool(citations) and any(str(one.get("quote")) in body for one in citations),
        "relevant": near >= RELEVANT_FROM,
        "complete": not asked or bool(asked & told) or near >= SURE_FROM,
        "tone_ok": not _BLAMING.search(body) and enrich(body).mood != "negative",
    }
    wrong = {
        "has_solution": "It quotes no solution.",
        "relevant": f"It is about something else (likeness {near:.2f}).",
        "complete": "It does not take up the codes of the report.",
        "tone_ok": "Its tone may hurt.",
    }
    failed = [name for name, good in points.items() if not good]
    verdict = "pass" if not failed else "reject" if {"has_solution", "relevant"} & set(failed) else "revise"
    return {
        **points,
        "verdict": verdict,
        "score": round(1 - len(failed) / len(points), 4),
        "reasons": [wrong[name] for name in failed] or ["It has a solution, is to the point, complete and polite."],
    }


def escalation(material: Facts) -> Facts:
    context, triage, route = (material.get(name) or {} for name in ("gather_context", "triage", "route"))
    draft, quality = material.get("respond") or {}, material.get("check_draft") or {}
    reasons: list[str] = []
    level = "none"
    if route.get("priority") == "critical" or triage.get("priority") == "critical":
        level = "on_call"
        reasons.append("The case is critical.")
    elif route.get("category") == "security":
        level = "team"
        reasons.append("It concerns security.")
    if context.get("vip") and route.get("priority") in ("high", "critical"):
        level = "supervisor" if level in ("none", "team") else level
        reasons.append("An important customer waits with high priority.")
    if len(context.get("same_problem") or []) >= REPEATS_FOR_ESCALATION:
        level = "supervisor" if level in ("none", "team") else level
        reasons.append("The same problem was reported several times before.")
    if draft.get("abstained", True):
        level = "team" if level == "none" else level
        reasons.append("There is no evidence to answer from.")
    elif quality.get("verdict") != "pass":
        level = "team" if level == "none" else level
        reasons.append("The draft did not pass its check.")
    sure = float(route.get("confidence") or 0.0)
    return {
        "escalate": level != "none",
        "level": level,
        "team": route.get("team") or "support",
        "reasons": reasons or ["Nothing speaks for an escalation."],
        "report": _report(material, reasons),
        "confidence": round(sure, 4),
    }


def _report(material: Facts, reasons: list[str]) -> str:
    context, triage, route = (material.get(name) or {} for name in ("gather_context", "triage", "route"))
    lines = [
        *(f"- {reason}" for reason in reasons),
        f"Customer: {context.get('summary') or 'nothing known'}",
        (
            f"Kind: {triage.get('type') or 'unknown'}, {route.get('category') or 'general'}, "
            f"priority {route.get('priority') or 'medium'}, team {route.get('team') or 'support'} "
            f"(confidence {float(route.get('confidence') or 0.0):.2f})."
        ),
        f"Why: {route.get('reasoning') or 'not told'}",
    ]
    return "\n".join(lines)


def lesson(text: str, material: Facts) -> Facts:
    """One example a label, if the text is long enough to learn from."""
    labels = material.get("labels") or {}
    enough = len(text.split()) >= LEAST_WORDS_TO_LEARN
    before = material.get("before") or {}
    changed = [f"{name} {before.get(name)} → {label}" for name, label in labels.items() if before.get(name) != label]
    told = "Too short to learn from." if not enough else f"Wrong: {', '.join(changed)}." if changed else "It was right."
    return {
        "examples": [{"field": name, "label": label} for name, label in labels.items()] if enough else [],
        "lesson": told,
    }
