"""Recall of a class at a held specificity, with a threshold that other images chose."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import CaseResult, OperatingPoint, RunRecord
from .naming import Names
from .sections import Absences, Grid, Section
from .text import clean, interval, joined, ratio, significant

_ABOUT = (
    "An image counts as of the class where that class's score reaches the threshold: the lowest one that holds the "
    "wanted specificity on the validation part. Recall and specificity: on the images judged here, with 95 % intervals."
)


def operating_section(record: RunRecord, names: Names) -> Section | None:
    """Return a row for each variant and operating point; None where none was asked for."""
    cases = [case for case in record.cases if case.operating_points]
    if not cases:
        return None
    absences = Absences(names, cases)
    by_model: dict[str, list[tuple[str, ...]]] = {}
    for members in _alike(cases):
        name = joined([names.short[case.case_id] for case in members], 2)
        for point in members[0].operating_points:
            row = (name, *_figures(members[0], point, absences))
            by_model.setdefault(clean(members[0].model), []).append(row)
    grids = tuple(Grid(model if len(by_model) > 1 else "", _HEADS, tuple(rows)) for model, rows in by_model.items())
    points = [point for case in cases for point in case.operating_points]
    lines = [*absences.lines(), *_chosen_on(points)]
    return Section("operating", "Operating points", _ABOUT, grids, tuple(lines))


_HEADS = (("variant", ""), ("class", ""), ("specificity", "wanted"), ("threshold", ""), ("recall", ""),
          ("specificity", "reached"))  # fmt: skip


def _alike(cases: Sequence[CaseResult]) -> list[list[CaseResult]]:
    """Return cases of one variant that have equal figures together."""
    found: dict[tuple[str, str, str], list[CaseResult]] = {}
    for case in cases:
        found.setdefault((case.model, case.variant, repr(case.operating_points)), []).append(case)
    return list(found.values())


def _figures(case: CaseResult, point: OperatingPoint, absences: Absences) -> tuple[str, ...]:
    def shown(field: str) -> str:
        value: float | None = getattr(point, field)
        bounds: tuple[float, float] | None = getattr(point, f"{field}_interval", None)
        show = significant if field == "threshold" else ratio
        text = absences.show(case, f"{field} of {clean(point.label)}", value, show, point.unavailable.get(field))
        return f"{text} ({interval(bounds)})" if bounds and value is not None else text

    return (clean(point.label), f"{point.wanted_specificity:g}", *map(shown, ("threshold", "recall", "specificity")))


def _chosen_on(points: Sequence[OperatingPoint]) -> list[str]:
    images = sorted({point.validation_images for point in points if point.validation_images})
    if not images:
        return []
    said = f"{images[0]:,}" if len(images) == 1 else f"{images[0]:,} to {images[-1]:,}"
    return [f"Thresholds were chosen on {said} images of the validation part, which are not among those judged."]
