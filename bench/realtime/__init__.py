"""Many live connections on one process: memory, the latency of one update to all, and all coming back at once.

Beside Socket.IO with its Redis adapter and Django Channels, which do the same job in the same run. `N=1000 python -m
bench realtime` is a smaller run.
"""

from bench.realtime.run import run

__all__ = ["run"]
