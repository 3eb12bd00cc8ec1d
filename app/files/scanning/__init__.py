"""Looking for harm in files before anything else is done with them.

The baseline always runs, in the child process that may die; ClamAV is asked in addition where it is configured.
A scanner that cannot answer is no verdict: the file waits.
"""
