"""The agents' work on a ticket: context, triage, routing, a draft, its check, and whether somebody must be called.

Promises: each step is a run of its own, recorded before the next begins, so whoever takes over after a killed worker
goes on where it stopped and decides nothing twice. Every step acts as the ticket's requester: a draft can quote
nothing that its reader may not see. Nothing is said to the customer but by a person.
"""
