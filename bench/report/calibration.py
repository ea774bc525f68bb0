"""Whether scores can be read as probabilities, and how well they rank: beside what the answers tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..records import Accuracy
from .recall import RecallRow, RecallTable
from .sections import Grid, Section
from .text import ABSENT, clean, estimate, joined

_CLASSES_SHOWN = 20


def calibration_section(results: Sequence[RecallTable]) -> Section | None:
    """Return ECE and Brier score, and ROC AUC by class, of every result; None where no record has any."""
    rows = [row for found in results for row in found.rows]
    if not any(_has(row.accuracy) for row in rows):
        return None
    heads = (("variant", ""), ("ECE", ""), ("Brier", "score"))
    scores = Grid("", heads, tuple((row.name, *map(_of(row.accuracy), ("ece", "brier"))) for row in rows))
    return Section("calibration", "Scores as probabilities, and ROC AUC by class", "", (scores, *map(_auc, results)),
                   tuple(_reasons(rows)))  # fmt: skip


def _has(accuracy: Accuracy) -> bool:
    return accuracy.ece is not None or any(item.roc_auc is not None for item in accuracy.classes)


def _of(accuracy: Accuracy) -> Callable[[str], str]:
    return lambda name: estimate(getattr(accuracy, name), accuracy.intervals.get(name))


def _auc(found: RecallTable) -> Grid:
    shown = found.lowest(_CLASSES_SHOWN)
    heads = (("class", ""), *((row.name, "AUC") for row in found.rows))
    rows = tuple(
        (found.labels[i], *(estimate(item.roc_auc, item.intervals.get("roc_auc"))
                            for item in (row.accuracy.classes[i] for row in found.rows)))
        for i in shown
    )  # fmt: skip
    return Grid(found.title, heads, rows)


def _reasons(rows: Sequence[RecallRow]) -> list[str]:
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        for name in ("ece", "brier"):
            if name in row.accuracy.unavailable:
                found.setdefault(f"{name}: {clean(row.accuracy.unavailable[name])}", {})[row.name] = None
    return [f"{ABSENT} {reason} ({joined(list(names))})" for reason, names in found.items()]
