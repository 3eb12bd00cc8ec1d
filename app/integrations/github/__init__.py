"""GitHub, or GitHub Enterprise Server."""
