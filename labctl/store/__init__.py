"""The journal: one SQLite file that is the truth of every run, and readers that follow it by cursor."""
