"""The shell around the engine: connections tick, channels make transitions, the supervisor starts and adopts runs."""
