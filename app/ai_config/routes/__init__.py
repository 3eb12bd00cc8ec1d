"""AI configuration over HTTP."""

from app.ai_config.routes import abstention, configurations, priorities

# Configurations last: `/ai-config/{agent_type}` would take the others' addresses.
ROUTERS = (abstention.router, priorities.router, configurations.router)
