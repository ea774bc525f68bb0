"""Who hears how a set-up goes on."""

from __future__ import annotations


class Listener:
    """Hears of the steps. This one keeps quiet; the command line prints them."""

    def begins(self, what: str) -> None:
        """A step begins that may take a while."""

    def said(self, line: str) -> None:
        """A step is done: one line for a person."""
