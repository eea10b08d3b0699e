"""Cases of `labctl bench`: each module has `figures()`, which measures and yields what was wanted and what was found.

Every figure is a ratio of two sides measured in one run, or a cost that does not depend on who else uses the machine
(CPU seconds, bytes). Nothing here is a test: a figure that is missed says by how much.
"""
