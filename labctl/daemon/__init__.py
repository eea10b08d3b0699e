"""The daemon: the only place where things are constructed and joined."""

from labctl.daemon.core import running
from labctl.daemon.parts import Parts
from labctl.daemon.process import serve

__all__ = ["Parts", "running", "serve"]
