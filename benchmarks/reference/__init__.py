"""Stored reference curves, the script that makes them, and the pictures that compare them."""
