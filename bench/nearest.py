"""The name that a mistyped one was probably meant to be."""

from __future__ import annotations

import itertools
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a word, None where none is."""
    import difflib  # a mistake may take the time that it takes to import, a right word may not

    found = difflib.get_close_matches(word, list(known), 9)

    def likeness(name: str) -> tuple[float, int]:
        pairs = zip(name, word, strict=False)
        beginning = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        return difflib.SequenceMatcher(None, name, word).ratio(), beginning  # p5O is as like p95, but p50 is meant

    return max(found, key=likeness, default=None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean NAME?``, or where no name is like the word, all there are."""
    names = sorted(known)
    near = nearest(word, names)
    return f"did you mean {near}?" if near else f"there are: {', '.join(names)}"
