"""Realtime: what happens to a ticket or a file is told to whoever watches it, in order, without a gap or a repeat.

Nothing originates here. The outbox relay writes each notification to the table and publishes it; this room passes it
on, and reads the table wherever Redis or a socket lost something. It never changes a ticket or a file.
"""
