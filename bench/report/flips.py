"""Images whose answer changed against the baseline: counts, the worst of them, and those that get a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ..analysis.flips import Answered, Change, Flip, Flips, find_flips
from ..records import CaseResult, RunRecord
from .costs import compared_results
from .naming import Names
from .results import Result, judged_results
from .sections import Grid, Section
from .summary import reference
from .text import ABSENT, clean, count

_TERSE_SHOWN, _WHOLE_SHOWN = 5, 10
_TERSE_RESULTS = 4
_PICTURED_PER_RESULT = 24
#: All pictures of a page together: it has to stay small.
_PICTURED = 160


@dataclass(frozen=True)
class Changed:
    """The images that ``result`` answers otherwise than ``base``."""

    result: Result
    base: Result
    flips: Flips

    @property
    def total(self) -> int:
        """How many answers changed."""
        return len(self.flips.flips)

    def told(self) -> str:
        """Return ``131 of 1,502 answers changed: 36 right to wrong, 75 wrong to another wrong, 20 wrong to right``."""
        whole = f"{self.total:,} of {count(self.flips.images, 'answer')} changed"
        parts = [f"{self.flips.count(kind):,} {kind.value}" for kind in Change if kind is not Change.UNJUDGED]
        return whole if self.flips.count(Change.UNJUDGED) or not self.total else f"{whole}: {', '.join(parts)}"

    def pictured(self, limit: int) -> dict[str, list[Flip]]:
        """Return at most ``limit`` flips by true class (the answer before, where it is unknown), worst first in each.

        Classes take turns, so that a common one does not crowd out the others.
        """
        by_class: dict[str, list[Flip]] = {}
        for flip in self.flips.flips:
            by_class.setdefault(flip.label or flip.base_answer, []).append(flip)
        turns = sorted((turn, name) for name, flips in by_class.items() for turn in range(len(flips)))[:limit]
        kept = {name: sum(other == name for _, other in turns) for name in sorted(by_class)}
        return {name: by_class[name][:number] for name, number in kept.items() if number}


@dataclass(frozen=True)
class Pictures:
    """Small JPEG pictures by image id, or the reason why there are none."""

    jpegs: Mapping[str, bytes] = field(default_factory=dict)
    reason: str = "the images were not at hand when this page was written"


def changed_answers(record: RunRecord, names: Names, predictions: pd.DataFrame | None) -> list[Changed]:
    """Return one entry per result that has scores on images which its baseline has as well, in the record's order.

    The baseline is the one that accuracy was compared with; records without that take the model's float32 result.
    """
    if predictions is None or predictions.empty:
        return []
    pairs = [(item.result, item.base) for item in compared_results(record, names)] or _pairs(record, names)
    found = [Changed(result, base, _between(result.first, base.first, predictions)) for result, base in pairs]
    return [entry for entry in found if entry.flips.images]


def baseline_of_each(record: RunRecord, names: Names) -> list[tuple[CaseResult, CaseResult]]:
    """Return every case that has a baseline for its answers, with that baseline."""
    cases = {case.case_id: case for case in record.cases}
    against = [(case, case.accuracy_comparison.against) for case in record.cases if case.accuracy_comparison]
    if against:
        return [(case, cases[case_id]) for case, case_id in against if case_id in cases]
    return [(case, base.first) for result, base in _pairs(record, names) for case in result.cases]


def _pairs(record: RunRecord, names: Names) -> list[tuple[Result, Result]]:
    families: dict[tuple[str, str], list[Result]] = {}
    for result in judged_results(record, names):
        families.setdefault((result.first.model, result.first.device), []).append(result)
    pairs = []
    for members in families.values():
        base = reference(members)
        if base is not None:
            pairs += [(result, base) for result in members if result is not base]
    return pairs


def _between(case: CaseResult, base: CaseResult, predictions: pd.DataFrame) -> Flips:
    return find_flips(predictions, answered(case), answered(base))


def answered(case: CaseResult) -> Answered:
    """Return whose scores a case's are, with its labels in its own order where they are recorded."""
    return Answered(case.case_id, case.accuracy.labels if case.accuracy else None)


def flips_section(changed: Sequence[Changed], *, whole: bool) -> Section | None:
    """Return the worst changed answers of each result; None where nothing was compared."""
    if not changed:
        return None
    limit = _WHOLE_SHOWN if whole else _TERSE_SHOWN
    with_flips = [entry for entry in changed if entry.total]
    shown = with_flips if whole else with_flips[:_TERSE_RESULTS]
    grids = tuple(_grid(entry, limit) for entry in shown)
    lines = [f"{entry.result.name}: {entry.told()}." for entry in changed if entry not in shown]
    about = "Worst first: right answers lost, by how far the new answer is ahead (margin). All of them: " \
            "--format flips-csv."  # fmt: skip
    return Section("flips", "Changed answers", about if with_flips else "", grids, tuple(lines))


def _grid(entry: Changed, limit: int) -> Grid:
    heads = (("image", ""), ("true", "class"), (entry.base.short, "answer"), ("score", ""),
             (entry.result.short, "answer"), ("score", ""), ("margin", ""))  # fmt: skip
    return Grid(f"{entry.result.name}: {entry.told()}", heads, tuple(map(flip_row, entry.flips.flips[:limit])))


def flip_row(flip: Flip) -> tuple[str, ...]:
    """Return image, true class, answer and score before, answer and score now, and margin as text."""
    return (
        clean(flip.image_id),
        ABSENT if flip.label is None else clean(flip.label),
        clean(flip.base_answer),
        f"{flip.base_score:.2f}",
        clean(flip.answer),
        f"{flip.score:.2f}",
        f"{flip.margin:.2f}",
    )


def pictured(changed: Sequence[Changed]) -> list[tuple[Changed, dict[str, list[Flip]]]]:
    """Return the flips that the page shows, by result and class; results share the room there is."""
    with_flips = [entry for entry in changed if entry.total]
    limit = max(1, min(_PICTURED_PER_RESULT, _PICTURED // max(1, len(with_flips))))
    return [(entry, entry.pictured(limit)) for entry in with_flips]


def pictured_ids(record: RunRecord, names: Names, predictions: pd.DataFrame | None) -> list[str]:
    """Return the ids of the images that the page has a place for, each once."""
    shown = pictured(changed_answers(record, names, predictions))
    return list(dict.fromkeys(flip.image_id for _, by_class in shown for flips in by_class.values() for flip in flips))
