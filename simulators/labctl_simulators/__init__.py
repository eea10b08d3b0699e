"""Simulated cells and emulated instruments; knows nothing of labctl."""
