"""Every change that aiortc needs, one file each; the release is pinned and its private names are under test."""
