"""The name that a mistyped one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a word, None where none is."""
    import difflib  # a mistake may take the time that it takes to import, a right word may not

    found = difflib.get_close_matches(word, list(known), 1)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean NAME?``, or where no name is like the word, all there are."""
    names = sorted(known)
    near = nearest(word, names)
    return f"did you mean {near}?" if near else f"there are: {', '.join(names)}"
