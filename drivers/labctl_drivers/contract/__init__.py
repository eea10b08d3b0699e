"""The contract suite: the same tests for every driver, run against its emulator.

A driver's author writes a `Bench` (how to connect the driver to its emulator, how to let time pass, what the cell truly sees) and
gives it to the suite through the hook `pytest_labctl_benches`; the plugin comes with labctl. See docs/how-to/write-a-driver.md.
"""
