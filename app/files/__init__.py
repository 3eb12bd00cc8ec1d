"""Files: what a person attaches as evidence, and what can be read from it.

The room promises that a file's type is what its content is, that its bytes stream (never whole in memory),
and that text, transcript and their confidence are kept with their place in the file. It never runs, unpacks
or renders anything that came in: an archive is listed, an executable refused, a hostile file quarantined.
"""
