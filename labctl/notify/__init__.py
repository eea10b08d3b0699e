"""Alarms that reach a person: a fold over what the journal and the daemon say, and the routes by which its messages go."""
