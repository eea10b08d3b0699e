"""From a parameter set to a cell: one builder for each model, and the tables of `labctl models`."""
