"""Training: SAM 2's recipe over the tracker's own step."""
