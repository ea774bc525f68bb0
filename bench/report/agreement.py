"""How far each result answers like its baseline, whatever the truth is: needs no labels."""

from __future__ import annotations

from collections.abc import Sequence

from .costs import Compared
from .sections import Grid, Section
from .text import ABSENT, clean, joined, ratio, significant


def agreement_section(compared: Sequence[Compared], *, whole: bool) -> Section | None:
    """Return the share of equal answers and how far scores are apart; None where nothing was compared."""
    if not compared:
        return None
    by_model: dict[str, list[Compared]] = {}
    for item in compared:
        by_model.setdefault(item.result.first.model, []).append(item)
    bases = {item.base.name for item in compared}
    against = compared[0].base.short if len(bases) == 1 else "the baseline"
    grids = tuple(
        Grid(clean(model) if len(by_model) > 1 else "", _HEADS, tuple(_row(item) for item in items if _row(item)))
        for model, items in by_model.items()
    )
    about = "Right or wrong does not matter here. Scores: absolute differences over all images and classes."
    lines = [*_reasons(compared), *_notes(compared)]
    return Section(
        "agreement",
        f"Same answers as {against}",
        about if whole else "",
        tuple(grid for grid in grids if grid.rows),
        tuple(lines),
    )


_HEADS = (("variant", ""), ("images", ""), ("same answer", "95 % interval"), ("changed", ""),
          ("scores apart", "mean"), ("", "largest"))  # fmt: skip


def _row(item: Compared) -> tuple[str, ...]:
    found = item.found.agreement
    if found is None:
        return ()
    changed = round(found.images * (1 - found.top1))
    return (
        item.result.short,
        f"{found.images:,}",
        f"{ratio(found.top1)} ({ratio(found.low)}–{ratio(found.high)})",
        f"{changed:,}",
        *(ABSENT if value is None else significant(value)
          for value in (found.mean_score_difference, found.max_score_difference)),
    )  # fmt: skip


def _reasons(compared: Sequence[Compared]) -> list[str]:
    """Return why something was not compared, each reason once."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for item in compared:
        for field, reason in item.found.unavailable.items():
            found.setdefault((_FIELDS.get(field, field), clean(reason)), {})[item.result.short] = None
        for reason in item.found.agreement.unavailable.values() if item.found.agreement else ():
            found.setdefault(("scores apart", clean(reason)), {})[item.result.short] = None
    return [f"{ABSENT} {field}: {reason} ({joined(list(names))})" for (field, reason), names in found.items()]


#: What the record calls it, and what a report does: what needs labels is absent for one reason.
_FIELDS = dict.fromkeys(("top1", "balanced_accuracy", "classes"), "right or wrong") | {"agreement": "same answer"}


def _notes(compared: Sequence[Compared]) -> list[str]:
    """Return notes on comparisons without classes; with them, they stand with the classes."""
    return list(dict.fromkeys(clean(note) for item in compared for note in item.found.notes if not item.found.classes))
