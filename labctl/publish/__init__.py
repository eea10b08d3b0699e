"""Readers of the journal with a cursor: MQTT and PostgreSQL; a far end that is away is a cursor that stands still."""
