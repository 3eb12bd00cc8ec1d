"""What a form says of the document that it brings, beside its file."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from app.core.http import field_errors
from app.files.errors import FormInvalid
from app.files.service import refused
from app.knowledge.schemas import SourceIn

EXAMPLE = '{"teams": ["billing"]}'
FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "PDF, Office, HTML, Markdown or text; 100 MB."},
        "title": {"type": "string", "minLength": 1, "maxLength": 300, "description": "Left out: told by the text."},
        "uri": {"type": "string", "minLength": 1, "maxLength": 2000},
        "acl": {"type": "string", "description": f"As in JSON: `{EXAMPLE}`. Left out: public."},
        "language": {"type": "string", "description": "Left out: told by the text."},
    },
}


def described(given: Mapping[str, str]) -> SourceIn:
    """Raises FormInvalid."""
    values: dict[str, Any] = dict(given)
    if "acl" in values:
        try:
            values["acl"] = from_json(values["acl"])
        except ValueError:
            raise refused("acl", "value_error", f"must be JSON, such as {EXAMPLE}") from None
        if not isinstance(values["acl"], dict):
            raise refused("acl", "value_error", f"must be an object, such as {EXAMPLE}")
    try:
        return SourceIn.model_validate(values)
    except ValidationError as error:
        problems = field_errors([{**one, "loc": ("body", *one["loc"])} for one in error.errors()])
        raise FormInvalid(errors=problems) from None
