"""Migrations of the journal and of its copy, run by `store.migrate`."""
