"""YAML text to a checked Protocol and Cell: the language of docs/reference/protocol.md."""
