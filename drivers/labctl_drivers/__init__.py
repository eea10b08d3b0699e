"""Drivers of instruments, found by the entry points `labctl.drivers`."""
