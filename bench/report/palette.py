"""Colours and markers of the plots: told apart by colour-blind readers, on light and dark ground."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .text import clean

#: After Okabe and Ito 2008: no black or yellow, a lighter blue, so that neither ground swallows one.
_COLOURS = ("#1f83c5", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8a7fb8", "#999999")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "x")
#: A grey that reads on both grounds.
NEUTRAL = "#8a8f98"


def colours(variants: Iterable[str]) -> Mapping[str, str]:
    """Return a colour for each variant's name, in order of first appearance; after eight they repeat."""
    return {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(dict.fromkeys(map(clean, variants)))}


def symbols(ways: Iterable[str]) -> Mapping[str, str]:
    """Return a marker for each way of running, in order of first appearance; after eight they repeat."""
    return {name: _SYMBOLS[i % len(_SYMBOLS)] for i, name in enumerate(dict.fromkeys(ways))}
