"""Masks on their way to viewers: made to fit, encoded, sent."""
