"""Each file is one change of the schema, in the order of `down_revision`."""
