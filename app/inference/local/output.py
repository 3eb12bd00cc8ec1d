"""Fills any output schema from facts by the names of its properties, so that no agent's type is imported here."""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]


class CannotFill(ValueError):
    """A required property has no fact; the message names the property."""


def fill(schema: Schema, facts: Mapping[str, Any]) -> dict[str, Any]:
    """An object of the schema. Raises `CannotFill` for a required property nothing is known about.

    Properties that are not required and not known are left out, so that their defaults apply.
    """
    return _object(schema, facts, schema.get("$defs", {}))


def _object(schema: Schema, facts: Mapping[str, Any], definitions: Schema) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    required = schema.get("required", ())
    for name, declared in schema.get("properties", {}).items():
        variants = _variants(declared, definitions)
        if facts.get(name) is not None:
            filled[name] = _shaped(facts[name], variants, definitions)
        elif any(variant.get("type") == "null" for variant in variants):
            filled[name] = None
        elif name in required:
            raise CannotFill(name)
    return filled


def _variants(schema: Schema, definitions: Schema) -> list[Schema]:
    """The schema with its reference followed and its `anyOf` spread."""
    if "$ref" in schema:
        return _variants(definitions[str(schema["$ref"]).rsplit("/", 1)[-1]], definitions)
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    return [variant for choice in choices for variant in _variants(choice, definitions)] or [schema]


def _shaped(value: Any, variants: Sequence[Schema], definitions: Schema) -> Any:
    """Maps become objects or, where a list is asked for, their values; lists are shaped item by item."""
    kinds = {variant.get("type"): variant for variant in variants}
    if isinstance(value, Mapping):
        if "object" in kinds and "properties" in kinds["object"]:
            return _object(kinds["object"], value, definitions)
        if "array" in kinds:
            return list(value.values())
        if "string" in kinds and "object" not in kinds:
            return next(iter(value.values()), "")
        return dict(value)
    if isinstance(value, list | tuple):
        items = kinds.get("array", {}).get("items")
        if not isinstance(items, Mapping):
            return list(value)
        inner = _variants(items, definitions)
        return [_shaped(item, inner, definitions) for item in value]
    if "string" in kinds and not isinstance(value, str):
        return str(value)
    return value
