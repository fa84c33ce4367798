"""Bench: what a step costs, by stage, beside peers, streams, starts and the machine's own limit."""
