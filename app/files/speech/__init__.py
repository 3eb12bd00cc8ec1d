"""Speech engines behind one port: the one of this machine, and services elsewhere.

A service never sees a stranger's file: it is sent FLAC that our own child process wrote, of speech alone. Keys are
read here, in the worker, and never reach the child. Whichever engine heard a part says so in the result.
"""
