"""Solve a cell under what is imposed on it: pieces of constant or held control, put together to a segment."""
