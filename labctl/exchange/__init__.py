"""Files of other makers: their recordings as runs of the journal, protocols in their languages."""
