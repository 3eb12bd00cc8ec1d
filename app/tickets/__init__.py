"""Tickets: what people report, what is said about it, and who changed what.

Every change is one row in the timeline, one version more, and one or more events in the outbox, in one transaction.
A ticket is never removed, only hidden; a closed one takes no more comments. Customers see their own tickets only, and
nothing internal on them. Nothing here calls a model in a request, but for `POST /tickets/categorize`, which stores
nothing.
"""
