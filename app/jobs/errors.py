"""What can go wrong with a job, for the code that does it; no person reads these."""


class ClaimLost(Exception):
    """Somebody else has, or may have, the job now: the results of this holder must not be kept."""
