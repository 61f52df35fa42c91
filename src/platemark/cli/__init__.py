"""The command line: one file a command group, nothing heavy imported before it is needed."""

from platemark.cli.root import app, main

__all__ = ["app", "main"]
