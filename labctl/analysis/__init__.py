"""Figures of merit from stored runs: columns in, figures out, each with the source of its formula."""
