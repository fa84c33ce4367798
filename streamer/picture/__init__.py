"""The returned picture: modes, effects, edges."""
