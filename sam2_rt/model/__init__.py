"""The model: one file per box of the figure in the SAM 2 paper; modules without state between calls."""
