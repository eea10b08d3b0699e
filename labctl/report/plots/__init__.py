"""Figures of stored runs, as a paper would print them."""
