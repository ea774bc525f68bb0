"""The run as a table for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pandas as pd
from tabulate import tabulate

from ..records import RunRecord
from ..rule import Rule
from . import lines
from .devices import device_lines
from .gpu import gpu_lines
from .parts import class_sections, recalls_without_costs, sections
from .plain import squeezed
from .recall import RecallTable, recall_tables
from .sections import Grid, Section
from .shipping import shipping_section
from .summary import summary
from .tables import Column, Row, Table, build_table
from .text import clean, shortened

_CLASSES_SHOWN = 20
_NARROWEST_NAME = 12
#: Columns that may go where space is short, the last one first.
_KEPT_LONGEST = ("p90", "interval", "first", "load")


def render_table(
    record: RunRecord,
    *,
    predictions: pd.DataFrame | None = None,
    width: int | None = None,
    rule: Rule | None = None,
) -> str:
    """Return the run as plain text, ending in a newline, in lines of at most ``width`` characters where given.

    With ``predictions`` (as :func:`.html.render_html` takes them) it shows the worst changed answers, too.

    Minor columns are left out, and said to be, where ``width`` has no room for them; no column that answers the
    question is ever dropped, so tables need about 80 characters. ``rule`` is what to recommend by, None: the run's.
    """
    table = build_table(record)
    results = recall_tables(record, table.names)
    parts = [_wrapped([_header(record), *_same(table)], width)]
    parts += _main(table, width)
    shipping = shipping_section(record, table, rule, whole=False)
    parts.append(_section(shipping, width) if shipping else "")
    parts.append(_wrapped([*table.absences], width))
    parts += [_section(section, width) for section in sections(record, table, whole=False)]
    parts.append(_listed("Did not finish", [str(item) for item in lines.failures(record, table.names)], width))
    found = class_sections(record, table, results, predictions, whole=False)
    parts += [_section(section, width) for section in found if section.key == "costs"]
    parts += [_recall(result, width) for result in recalls_without_costs(record, table, results)]
    parts += [_section(section, width) for section in found if section.key != "costs"]
    delegates = [*lines.delegate_lines(record, table.names), *gpu_lines(record, table.names)]
    parts.append(_listed("Delegates", delegates, width))
    parts.append(_listed("Notes", lines.notes(record, table.names), width))
    parts.append(_wrapped(device_lines(record), width))
    told = summary(record, table)
    parts.append(_listed("In short", [*told, lines.tested(record)] if len(table.rows) > 1 else told, width))
    about_data = [lines.data_line(record), *(f"  {note}" for note in lines.data_notes(record))]
    parts.append(_wrapped([*about_data, lines.notice(record)], width))
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(record: RunRecord) -> str:
    return f"Run {clean(record.run_id)}, {clean(record.created_utc)}"


def _same(table: Table) -> list[str]:
    common = table.names.common
    return [f"Same for all: {', '.join(common)}"] if common else []


def _main(table: Table, width: int | None) -> list[str]:
    columns, name_width = _fit(table, width)
    left_out = [column.title for column in table.columns if column not in columns]
    parts = []
    groups = table.groups()
    for title, rows in groups:
        body = _grid(rows, columns, table, name_width)
        if width is not None and _width(body) > width:
            body = squeezed(body)
        parts.append(f"{title}\n{body}")
    if left_out:
        parts.append(f"Left out at this width: {', '.join(left_out)}.")
    return parts


def _fit(table: Table, width: int | None) -> tuple[list[Column], int]:
    """Return the columns that fit and the room for names: drop minor columns from the right, then cut names."""
    columns = list(table.columns)
    longest = max((len(name) for row in table.rows for name in _names(row, table)), default=0)
    if width is None:
        return columns, longest
    # What answers the question longest: p90 goes last.
    minor = sorted((column for column in columns if column.minor), key=lambda column: _KEPT_LONGEST.index(column.key))
    while minor and _needed(table, columns, longest) > width:
        columns.remove(minor.pop())
    while longest > _NARROWEST_NAME and _needed(table, columns, longest) > width:
        longest -= 1
    return columns, longest


def _needed(table: Table, columns: Sequence[Column], name_width: int) -> int:
    grids = [_grid(rows, columns, table, name_width) for _, rows in table.groups()]
    return max((len(line) for grid in grids for line in grid.splitlines()), default=0)


def _names(row: Row, table: Table) -> list[str]:
    return [row.variant, row.how_within] if any(table.names.how_within.values()) else [row.variant]


def _grid(rows: Sequence[Row], columns: Sequence[Column], table: Table, name_width: int) -> str:
    heads = ["variant", table.names.how_title] if any(table.names.how_within.values()) else ["variant"]
    names = len(heads)
    body = [
        [shortened(name, name_width) for name in _names(row, table)]
        + [row.cells[column.key].text for column in columns]
        for row in rows
    ]
    # A long heading such as engine/delegate/threads is broken where its values are: never cut.
    heads = [head if len(head) <= max(name_width, len("variant")) else head.replace("/", "/\n") for head in heads]
    align = ["left"] * names + ["decimal" if column.numeric else "left" for column in columns]
    # Units stand below the names: tables as wide as their numbers fit next to each other.
    return _tabulated([*heads, *(f"{column.name}\n{column.unit}" for column in columns)], body, align)


def _tabulated(heads: Sequence[str], body: Sequence[Sequence[str]], align: Sequence[str]) -> str:
    text = tabulate(body, headers=heads, colalign=align, disable_numparse=True, tablefmt="simple")
    return "\n".join(line.rstrip() for line in text.splitlines())


def section_text(section: Section, width: int | None) -> str:
    """Return a section as plain text in lines of at most ``width`` characters, where given."""
    return _section(section, width)


def _section(section: Section, width: int | None) -> str:
    about = _wrap(section.about, width)
    grids = [text for grid in section.grids for text in _section_grids(grid, width)]
    found = [_listed("", section.lines, width).lstrip("\n")]
    head = "\n".join(text for text in (section.title, about) if text)
    if not grids:
        return "\n".join(text for text in (head, *found) if text)
    return "\n\n".join(text for text in (f"{head}\n{grids[0]}", *grids[1:], *found) if text)


def _section_grids(grid: Grid, width: int | None) -> list[str]:
    """Return the grid; figures that have no room beside the names follow in further grids."""
    blocks: list[list[int]] = [[]]
    for index in range(1, len(grid.heads)):
        trial = [*blocks[-1], index]
        if width is not None and blocks[-1] and _width(squeezed(_columns_of(grid, trial))) > width:
            blocks.append([index])
        else:
            blocks[-1] = trial
    texts = [_columns_of(grid, block) for block in blocks]
    texts = [squeezed(text) if width is not None and _width(text) > width else text for text in texts]
    return [f"{_wrap(grid.title, width)}\n{texts[0]}" if grid.title else texts[0], *texts[1:]]


def _width(text: str) -> int:
    return max(map(len, text.splitlines()))


def _columns_of(grid: Grid, block: Sequence[int]) -> str:
    heads = [
        "\n".join(part for part in (shortened(grid.heads[i][0], 24), grid.heads[i][1]) if part) for i in (0, *block)
    ]
    body = [[shortened(row[0], 24), *(shortened(row[i], 40) for i in block)] for row in grid.rows]
    return _tabulated(heads, body, ["left"] + ["right"] * len(block))


def _recall(found: RecallTable, width: int | None) -> str:
    """Return recall by class, one line a result; many classes go below each other in blocks."""
    shown = found.lowest(_CLASSES_SHOWN)
    title = "Recall by class" + (f", {found.title}" if found.title else "")
    if len(shown) < len(found.labels):
        title += f": the {len(shown)} of {len(found.labels)} classes with the lowest recall (all: --format csv)"
    blocks = [_recall_grid(found, block) for block in _blocks(found, shown, width)]
    return "\n".join([title, "\n\n".join(blocks), *(_wrapped([line], width) for line in found.absences)])


def _blocks(found: RecallTable, shown: Sequence[int], width: int | None) -> list[list[int]]:
    blocks: list[list[int]] = [[]]
    for index in shown:
        trial = [*blocks[-1], index]
        too_wide = width is not None and len(_recall_grid(found, trial).splitlines()[1]) > width
        if too_wide and blocks[-1]:
            blocks.append([index])
        else:
            blocks[-1] = trial
    return blocks


def _recall_grid(found: RecallTable, block: Sequence[int]) -> str:
    heads = ["variant", *(shortened(found.labels[i], 16) for i in block)]
    support = ["(images)", *(found.support[i] for i in block)]
    body = [[shortened(row.name, 40), *(row.cells[i].text for i in block)] for row in found.rows]
    return _tabulated(heads, [*body, support], ["left"] + ["right"] * len(block))


def _listed(title: str, items: Sequence[str], width: int | None) -> str:
    return "\n".join([title, *(_wrap(f"  {item}", width) for item in items)]) if items else ""


def _wrapped(items: Sequence[str], width: int | None) -> str:
    return "\n".join(_wrap(item, width) for item in items)


def _wrap(line: str, width: int | None) -> str:
    if width is None or len(line) <= width:
        return line
    indent = "    " if line.startswith("  ") else "  "
    return textwrap.fill(line, max(width, 20), subsequent_indent=indent, break_on_hyphens=False)
