"""What is wrong around a station, and the command that mends it."""
