"""What several verbs show while something runs."""
