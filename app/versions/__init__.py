"""Delivered values that administrators replace, in versions: thresholds, weights, the platform's rules.

Promises: a version is never edited, and a rollback is a new one too; what is in force is valid; a change counts from
the next reading on, in every process. What the values mean is the affair of the room that reads them.
"""
