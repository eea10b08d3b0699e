"""Impedance spectra: equivalent circuits, Kramers-Kronig, distributions of relaxation times. Pure functions on arrays."""
