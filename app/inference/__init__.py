"""Ports and adapters for model calls.

A caller names an operation (`Operation.CREATE_TICKET`) and a model name from the configuration; `registry` turns the
name into a Pydantic AI model. Nothing here touches the database, and adapters import only core and their own folder.
"""
