"""The kinds of simulated cells: their parameters and their physics, each after the contract in `cell.physics`."""
