"""labctl: run battery protocols on instruments and simulated cells."""

__version__ = "0.1.0"
