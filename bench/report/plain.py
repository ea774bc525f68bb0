"""Plain tables and sentences for a terminal or a file."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from tabulate import tabulate


def grid(heads: Sequence[str], body: Sequence[Sequence[str]], align: Sequence[str]) -> str:
    """Return a table; ``align`` is left, right or decimal for each column."""
    text = tabulate(body, headers=heads, colalign=align, disable_numparse=True, tablefmt="simple")
    return "\n".join(line.rstrip() for line in text.splitlines())


def squeezed(text: str) -> str:
    """Return a grid without the room that tabulate leaves in every column beside its widest text."""
    lines = text.splitlines()
    rule = next(line for line in lines if line and not line.strip("- "))
    others = [line.ljust(len(rule)) for line in lines if line != rule]
    spans = []
    for column in re.finditer("-+", rule):
        used = [i for i in range(*column.span()) if any(line[i] != " " for line in others)] or [column.start()]
        spans.append(slice(used[0], used[-1] + 1))
    return "\n".join("  ".join(line.ljust(len(rule))[span] for span in spans).rstrip() for line in lines)


def wrapped(line: str, width: int | None) -> str:
    """Return a sentence in lines of at most ``width`` characters, or as it is where there is no width."""
    return line if width is None else "\n".join(textwrap.wrap(line, max(width, 20))) or line
