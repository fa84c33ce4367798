"""Evaluation: how well a checkpoint follows what it is told to, against simple baselines."""
