"""Load on a running service from headless viewers: programs, with their results in RESULTS.md."""
