"""One machine, nothing installed: PostgreSQL with pgvector and Redis from wheels, and the supervisor of our processes.

Promises: no process outlives the supervisor, one supervisor per data directory, nothing listens beyond loopback
unless the settings say so. It never touches a server that `DATABASE_URL` or `REDIS_URL` names.
"""
