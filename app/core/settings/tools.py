"""The tool server and those who call it."""

from pydantic import BaseModel, Field, SecretStr


class ToolSettings(BaseModel):
    client_calls_per_minute: int = Field(default=600, ge=1, description="By one person's own MCP clients.")
    run_calls_per_minute: int = Field(
        default=60_000, ge=1, description="By all agent runs on behalf of one person; a batch makes hundreds a second."
    )
    call_seconds: float = Field(default=30.0, gt=0, le=600, description="Wall time limit of one tool call.")
    api_key: SecretStr | None = Field(
        default=None, description="With which `evidesk mcp --stdio` calls the tool server, on a person's own machine."
    )
