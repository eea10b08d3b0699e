"""The engine: a fold over a stored plan. Inputs in; state, rows taken, events and commands out; no clock, no I/O."""
