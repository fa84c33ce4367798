"""Gathering: STUN and TURN servers that do not answer are waited for 2 s, where aioice takes 5."""

import inspect
from typing import Final

import aioice

GATHER_S: Final = 2
"""As long as link.js waits. Who goes on after a lost connection has no time, and the candidates of
the machine itself are known at once."""

_gather: Final = aioice.Connection.get_component_candidates
assert list(inspect.signature(_gather).parameters)[-1] == "timeout", "aioice has changed"
_gather.__defaults__ = (GATHER_S,)
