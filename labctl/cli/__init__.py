"""The command line: one file a verb, each with one function `command` whose docstring is its help."""
