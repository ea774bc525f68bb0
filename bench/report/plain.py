"""Plain tables and sentences for a terminal or a file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tabulate import tabulate


def grid(heads: Sequence[str], body: Sequence[Sequence[str]], align: Sequence[str]) -> str:
    """Return a table; ``align`` is left, right or decimal for each column."""
    text = tabulate(body, headers=heads, colalign=align, disable_numparse=True, tablefmt="simple")
    return "\n".join(line.rstrip() for line in text.splitlines())


def wrapped(line: str, width: int | None) -> str:
    """Return a sentence in lines of at most ``width`` characters, or as it is where there is no width."""
    return line if width is None else "\n".join(textwrap.wrap(line, max(width, 20))) or line
