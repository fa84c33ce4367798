"""The engine in a process of its own, for callers in others; pixels go through shared memory."""
