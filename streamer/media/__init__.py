"""Connections that carry media: viewers, watchers, and what they need to get through."""
