"""Clips: recorded ones read as they are needed, and made-up ones."""
