"""The station file: instruments, channels, and where data go."""
