"""Arguments that do not fit, said so that a model can mend its call: the argument's name and what it must be."""

import logging
from typing import Any

from fastmcp.exceptions import ToolError, ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from pydantic import ValidationError as ArgumentsRefused

from app.core.http import field_errors

_KINDS = {"missing_argument": "is missing", "unexpected_keyword_argument": "is no argument of this tool"}


class ReadableArguments(Middleware):
    """Instead of Pydantic's own text, which repeats what was given and names addresses to look at."""

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        try:
            return await call_next(context)
        except ValidationError as error:
            if not isinstance(error.__cause__, ArgumentsRefused):
                raise
            wrong = "; ".join(_said(one) for one in field_errors(error.__cause__.errors(include_url=False)))
            raise ToolError(f"{context.message.name} was not called. {wrong}.", log_level=logging.INFO) from error


def _said(error: Any) -> str:
    name = ".".join(map(str, error.location))
    return f"{name} {_KINDS[error.kind]}" if error.kind in _KINDS else f"{name}: {error.message}"
