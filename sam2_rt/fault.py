"""Faults of an engine that its callers can go on from."""


class TickLost(Exception):
    """A stream has no answer for this frame, and goes on with the next; the message says why."""


class StreamLost(TickLost):
    """The stream went with its engine: open another one and prompt its objects again."""


class EngineLost(Exception):
    """The engine is gone, and all its streams with it: another has to be loaded."""
