"""Whether a configuration is good enough: evaluation sets, and what two versions made of them, case by case.

A gate judges a proposed version beside the active one on the same cases and lets it in only if it is not worse by more
than a margin. Cases are run like trials: no tool that changes anything is offered, and nothing but the report is kept.
"""
