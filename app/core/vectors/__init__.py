"""Nearest vectors among those that one may see: a port, with Qdrant and OpenSearch behind it.

The third adapter is the database itself (`app.knowledge.repository`), which also keeps the truth that the others are
filled from. What stands in another index is a copy: it may lag, it is never asked who may read, and it can be rebuilt.
"""
