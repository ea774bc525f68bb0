"""Comparisons as plain text and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ..changes import RunChange
from .compare import compare_view
from .markdown import escaped, section_blocks
from .terminal import section_text


def render_compare_table(
    changes: Sequence[RunChange], *, width: int | None = None, quiet: bool = False, changed_alone: bool = False
) -> str:
    """Return comparisons as plain text, ending in a newline, in lines of at most ``width`` characters where given.

    ``quiet``: the sentences alone; ``changed_alone``: in the table, those cases of which a change is shown.
    """
    parts = []
    for change in changes:
        view = compare_view(change, whole=False, changed_alone=changed_alone)
        parts.append(
            "\n".join([_wrapped(view.title, width), *(_wrapped(f"  {line}", width) for line in view.sentences)])
        )
        if not quiet:
            parts += [section_text(section, width) for section in (view.table, *view.sections)]
    return "\n\n".join(parts) + "\n"


def _wrapped(line: str, width: int | None) -> str:
    if width is None or len(line) <= width:
        return line
    return textwrap.fill(line, max(width, 20), subsequent_indent="    ", break_on_hyphens=False)


def render_compare_markdown(changes: Sequence[RunChange], *, changed_alone: bool = False) -> str:
    """Return comparisons as Markdown, with how each interval is known."""
    blocks = []
    for change in changes:
        view = compare_view(change, whole=True, changed_alone=changed_alone)
        blocks += [f"# {escaped(view.title)}", "\n".join(f"- {escaped(line)}" for line in view.sentences)]
        for section in (view.table, *view.sections):
            blocks += section_blocks(section)
    return "\n\n".join(block for block in blocks if block) + "\n"
