"""What several verbs share: files that they read, and what they print on."""
