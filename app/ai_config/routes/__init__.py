"""AI configuration over HTTP."""

from app.ai_config.routes import configurations, priorities

# Priorities first: `/ai-config/{agent_type}` would take their addresses.
ROUTERS = (priorities.router, configurations.router)
