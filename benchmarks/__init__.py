"""Side-by-side benchmarks: ``python -m benchmarks.NAME`` from the repository's root."""
