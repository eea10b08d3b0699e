"""YAML text as nodes with positions: reading it, explaining what is wrong with it, and taking values from it."""
