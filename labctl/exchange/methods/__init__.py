"""Protocols of other programs: written from a plan, read into YAML, with a list of what one side cannot say."""
