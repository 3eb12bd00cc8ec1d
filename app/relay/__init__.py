"""Carries out what the outbox holds: reads the events, works out what each leads to, hands it over.

Above all rooms, since it knows every room's events and tasks; no room knows it.

Promises: at least once, in order per aggregate, however often a process is killed. It never starts an effect whose
cause was not committed.
"""
