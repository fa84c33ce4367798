"""Every change that aiortc needs, one file each; its release and private names are under test."""
