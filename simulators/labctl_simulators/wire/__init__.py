"""Emulated instruments: they speak the real wire protocol, have a simulated cell behind them, and can have a bad day."""
