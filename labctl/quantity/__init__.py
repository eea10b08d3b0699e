"""Quantities as chemists write them: dimensions, units, reading a number with its unit, and hints where that fails."""
