"""Agents and their runs.

Promises: a run is a row before anything is done for it; it is carried out by a worker, once as far as its results go,
and leaves what it was asked, every tool call, what it cost and what came out. Agents reach tickets, files and knowledge
only through MCP tools, with a short-lived token of the person who asked. Nothing a person or a file says becomes part
of an agent's instructions.
"""
