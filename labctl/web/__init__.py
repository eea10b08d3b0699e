"""The pages: a process of its own that reads the journal, asks the daemon over its socket, and may be killed at any moment."""
