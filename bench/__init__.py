"""Benchmarks: every figure in docs/benchmarks.md comes from here, beside a peer or a bare limit in the same run."""
