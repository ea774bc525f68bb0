"""The run as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from ..records import RunRecord
from ..rule import Rule
from . import lines
from .glossary import glossary
from .gpu import gpu_lines
from .parts import class_sections, compares_answers, sections, terms
from .recall import RecallTable, recall_tables
from .sections import Section
from .shipping import shipping_section
from .summary import summary
from .tables import Table, build_table, has_accuracy
from .text import clean

_CLASSES_SHOWN = 20
#: Characters that start markup in GitHub-flavoured Markdown, wherever they stand. ``@`` and ``#`` would notify
#: people and link issues when a report is posted.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|~&$@#])")


def render_markdown(record: RunRecord, predictions: pd.DataFrame | None = None, rule: Rule | None = None) -> str:
    """Return the run as Markdown with the terminal table's content and a glossary, ending in a newline.

    With ``predictions`` (as :func:`.html.render_html` takes them) it shows the worst changed answers, too. ``rule`` is
    what to recommend by, None: the run's.
    """
    table = build_table(record)
    blocks = [f"# {escaped(lines.question(record))}", _about(record, table)]
    told = summary(record, table)
    blocks.append(_bullets([*told, lines.tested(record)] if len(table.rows) > 1 else told))
    blocks.append(f"> **{escaped(lines.notice(record))}**")
    shipping = shipping_section(record, table, rule, whole=True)
    blocks += _shared(shipping) if shipping else []
    blocks += _main(table)
    blocks.append(_bullets(table.absences))
    blocks += _section("Did not finish", [str(item) for item in lines.failures(record, table.names)])
    for section in sections(record, table, whole=True):
        blocks += _shared(section)
    results = recall_tables(record, table.names)
    answers = class_sections(record, table, results, predictions, whole=True)
    for section in answers[:1]:
        blocks += _shared(section)
    for found in results:
        blocks += _recall(found)
    for section in answers[1:]:
        blocks += _shared(section)
    blocks += _section("Delegates", [*lines.delegate_lines(record, table.names), *gpu_lines(record, table.names)])
    blocks += _section("Notes", lines.notes(record, table.names))
    blocks += ["## Data", escaped(lines.data_line(record))]
    blocks.append(_bullets(lines.data_notes(record)))
    environment = [f"{name}: {value}" for name, value in lines.environment_pairs(record)]
    blocks += _section("Environment", [*environment, lines.settings_line(record)])
    meanings = [*glossary(accuracy=has_accuracy(record), answers=compares_answers(record)), *terms(table)]
    blocks += [
        "## Glossary",
        "\n".join(f"- **{escaped(term)}**: {escaped(meaning)}" for term, meaning in meanings),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def escaped(text: str) -> str:
    """Return ``text`` as Markdown that shows exactly these characters, on one line."""
    text = _MARKUP.sub(r"\\\1", clean(text))
    # A bare address becomes a link by itself: a zero-width joiner would change copies, an entity does not.
    return text.replace("://", "&#58;//").replace("www.", "www&#46;")


def _about(record: RunRecord, table: Table) -> str:
    about = f"Run {record.run_id}, {record.created_utc}."
    if table.names.common:
        about += f" Same for all: {', '.join(table.names.common)}."
    return escaped(about)


def _main(table: Table) -> list[str]:
    with_how = any(table.names.how_within.values())
    heads = [
        "variant",
        *([table.names.how_title] if with_how else []),
        *(column.title for column in table.columns),
    ]
    right = [False] * (2 if with_how else 1) + [column.numeric for column in table.columns]
    blocks = []
    for title, rows in table.groups():
        body = [
            [
                row.variant,
                *([row.how_within] if with_how else []),
                *(cell.text for cell in row.cells.values()),
            ]
            for row in rows
        ]
        blocks += [f"## {escaped(title)}", _grid(heads, body, right)]
    return blocks


def section_blocks(section: Section) -> list[str]:
    """Return a section as blocks of Markdown."""
    return _shared(section)


def _shared(section: Section) -> list[str]:
    blocks = [f"## {escaped(section.title)}", escaped(section.about)]
    for grid in section.grids:
        blocks.append(f"### {escaped(grid.title)}" if grid.title else "")
        heads = [" ".join(head).strip() for head in grid.heads]
        blocks.append(_grid(heads, grid.rows, [False] + [not grid.words] * (len(heads) - 1)))
    return [*blocks, _bullets(section.lines)]


def _recall(found: RecallTable) -> list[str]:
    shown = found.lowest(_CLASSES_SHOWN)
    title = "Recall by class" + (f", {found.title}" if found.title else "")
    heads = ["variant", *(f"{found.labels[i]} (n={found.support[i]})" for i in shown)]
    body = [[row.name, *(row.cells[i].text for i in shown)] for row in found.rows]
    blocks = [f"## {escaped(title)}"]
    if len(shown) < len(found.labels):
        blocks.append(f"The {len(shown)} of {len(found.labels)} classes with the lowest recall; the CSV form has all.")
    return [*blocks, _grid(heads, body, [False] + [True] * len(shown)), _bullets(found.absences)]


def _grid(heads: Sequence[str], body: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Return a pipe table: escaping each cell keeps its columns together whatever a name holds."""
    rule = ["---:" if is_right else "---" for is_right in right]
    text = [[escaped(cell) or " " for cell in row] for row in (heads, *body)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (text[0], rule, *text[1:]))


def _section(title: str, items: Sequence[str]) -> list[str]:
    return [f"## {title}", _bullets(items)] if items else []


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {escaped(item)}" for item in items)
