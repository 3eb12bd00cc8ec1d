"""Live connections."""

from pydantic import BaseModel, Field


class WebSocketSettings(BaseModel):
    messages_per_minute: int = Field(default=60, ge=1)
    max_frame_bytes: int = Field(default=64 * 1024, ge=1024)
    max_subscriptions: int = Field(default=1000, ge=1)
    max_connections: int = Field(default=20_000, ge=1, description="Of one API process; one more is closed with 1013.")
    max_per_person: int = Field(
        default=50, ge=1, description="Connections of one person to one API process; one more is closed with 4030."
    )
    send_queue: int = Field(default=256, ge=1, description="Messages a reader may lag behind before close 4008.")
    ping_seconds: float = Field(default=25.0, gt=0)
    auth_seconds: float = Field(default=10.0, gt=0, description="Time for a first message that carries the token.")
    recheck_seconds: float = Field(
        default=30.0, gt=0, le=60, description="How often an open connection's token is looked at again."
    )
    replay_limit: int = Field(default=1000, ge=1)
    history_hours: int = Field(default=72, ge=1)
