"""What the next answer is told of a conversation so far: behind a port, in PostgreSQL or in DynamoDB."""

from app.conversations.memory.base import ConversationMemory, MemoryAway, Remembered, RememberedTurn
from app.conversations.memory.dynamodb import DynamoMemory
from app.conversations.memory.postgres import PostgresMemory
from app.core.resources import NotConfigured, Resources

__all__ = ["ConversationMemory", "DynamoMemory", "MemoryAway", "PostgresMemory", "Remembered", "RememberedTurn", "of"]


def of(resources: Resources) -> ConversationMemory:
    """As the settings say. Raises NotConfigured."""
    options = resources.settings.conversations
    if options.memory == "postgres":
        return PostgresMemory(resources.db)
    if options.memory_table is None:
        raise NotConfigured("Set EVIDESK_CONVERSATIONS__MEMORY_TABLE: the DynamoDB table of conversations' memory.")
    return DynamoMemory(options.memory_table, keep_days=options.memory_days)
