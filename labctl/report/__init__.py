"""Analyses, plots and pages from stored runs."""
