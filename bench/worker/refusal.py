"""How the worker says no: a code for programs and one line for people."""

from __future__ import annotations


class Refusal(Exception):
    """The request cannot be done. ``code`` names the cause, the message is one line."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def one_line(error: object, limit: int = 400) -> str:
    """Return ``error``'s text as a single trimmed line of at most ``limit`` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
