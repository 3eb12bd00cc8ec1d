"""What leaves the database: events written with their cause, and the relay that carries them out.

Promises: at least once, in order per aggregate, however often a process is killed. It never starts an effect whose
cause was not committed.
"""
