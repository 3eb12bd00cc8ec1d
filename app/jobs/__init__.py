"""Work that must be finished once, by whichever worker lives long enough.

Promises: a job is done by one holder at a time as far as its results go (a holder that lost its claim cannot commit),
and a job whose worker or message vanished is dispatched again. It never runs anything itself.
"""
