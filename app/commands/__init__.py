"""One process each: `python -m app.commands.<name>`. `evidesk <name>` becomes it, the supervisor starts it.

They are apart from `app.cli` so that the supervisor, which outlives them all, loads nothing of the application.
"""
