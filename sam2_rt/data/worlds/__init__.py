"""Small physical worlds of solid bodies, simulated and rendered by MuJoCo."""
