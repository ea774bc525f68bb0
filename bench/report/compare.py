"""What changed between two measurements, in the parts that terminal, Markdown and page share: sentences come first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..analysis.between_runs import INVALID_WORDS, SAME_RUN
from ..changes import Basis, CaseChange, Change, ChangeVerdict, Metric, RunChange
from ..records import CaseResult
from .change_words import MARKS, bounded, difference, factor, sides, sign
from .naming import Names, name_cases
from .sections import Grid, Section
from .text import ABSENT, clean, count, joined

_CLASSES_SHOWN, _CLASSES_WHOLE = 20, 200
_CHANGED = (ChangeVerdict.BETTER, ChangeVerdict.WORSE)
_HEADS = (
    ("case", ""),
    ("p50", "ms"),
    ("new / base", "p50"),
    ("peak", "MB"),
    ("size", "MB"),
)
_ACCURACY_HEADS = (("bal. acc.", ""), ("points", ""))
ABOUT = (
    "new / base with half its 95 % interval, below 1 is faster; ≈ undecided: no difference is shown, and none is "
    "excluded; = the same within 1 %. It need not be the quotient of the two p50: see where the intervals come from."
)


@dataclass(frozen=True)
class CompareView:
    """One comparison, ready to be shown: a title, sentences, the table, and what stands below it."""

    title: str
    sentences: tuple[str, ...]
    table: Section
    sections: tuple[Section, ...]


def compare_view(change: RunChange, *, whole: bool, changed_alone: bool = False) -> CompareView:
    """Return what to show of a comparison; ``whole`` with all classes that changed and how each figure is known.

    ``changed_alone``: below the sentences, which are about every case, stand those of which a change is shown.
    """
    names = name_cases([case.base for case in change.cases])
    said = tuple(sentences(change, names))
    change = only_changed(change) if changed_alone else change
    found = (_classes(change, names, whole), _doubts(change, names), _explanations(change, names, whole),
             _environment(change), _unmatched(change), _notes(change, names))  # fmt: skip
    return CompareView(
        title=f"{clean(change.base_name)} → {clean(change.new_name)}",
        sentences=said,
        table=_table(change, names),
        sections=tuple(section for section in found if section is not None),
    )


def only_changed(change: RunChange) -> RunChange:
    """Return the comparison with those cases alone of which a change is shown, and a note of the others."""
    kept = tuple(case for case in change.cases if any(item.verdict in _CHANGED for item in case.changes))
    left_out = len(change.cases) - len(kept)
    if not left_out:
        return change
    note = f"left out: {count(left_out, 'case')} of which nothing is shown to have changed"
    return replace(change, cases=kept, notes=(*change.notes, note))


def sentences(change: RunChange, names: Names) -> list[str]:
    """Return what a person wants to know first, most important first."""
    found = ["Base and new are the same run."] if SAME_RUN in change.notes else []
    found += [*_latency(change, names), *_recalls(change, names), *_memory(change, names), *_sizes(change, names)]
    if change.missing or change.added:
        parts = [f"{count(len(change.missing), 'case')} of the base missing"] if change.missing else []
        parts += [f"{count(len(change.added), 'new case')}"] if change.added else []
        found.append(f"Not compared: {', '.join(parts)}.")
    doubted = sum(1 for case in change.cases if case.doubts)
    if doubted:
        found.append(f"{count(doubted, 'case has', 'cases have')} doubts: read them before believing this.")
    return found


def _of(change: RunChange, metric: Metric) -> list[tuple[CaseChange, Change]]:
    return [(case, item) for case in change.cases if (item := case.find(metric)) is not None]


def _with(found: Iterable[tuple[CaseChange, Change]], verdict: ChangeVerdict) -> list[tuple[CaseChange, Change]]:
    return [pair for pair in found if pair[1].verdict is verdict]


def _latency(change: RunChange, names: Names) -> list[str]:
    timed = _of(change, Metric.P50)
    if not timed:
        return ["No case has a latency in both."] if change.cases else []
    total = count(len(timed), "case")
    said = []
    for verdict, word in ((ChangeVerdict.WORSE, "slower"), (ChangeVerdict.BETTER, "faster")):
        pairs = sorted(_with(timed, verdict), key=lambda pair: -abs(math.log(pair[1].value or 1.0)))
        if pairs:
            listed = joined([f"{names.labels[case.case_id]} {bounded(item)}" for case, item in pairs])
            said.append(f"{len(pairs)} of {total} {'is' if len(pairs) == 1 else 'are'} {word}: {listed}.")
    if not said:
        said.append(f"No latency is shown to have changed ({total}).")
    same, open_ones = _with(timed, ChangeVerdict.SAME), _with(timed, ChangeVerdict.UNDECIDED)
    undecided = [pair for pair in open_ones if not pair[1].explanation.startswith(INVALID_WORDS)]
    if same:
        said.append(f"{count(len(same), 'latency is', 'latencies are')} the same.")
    if undecided:
        said.append(
            f"{count(len(undecided), 'latency', 'latencies')} undecided: {_why([item for _, item in undecided])}"
        )
    if len(undecided) < len(open_ones):
        invalid = count(len(open_ones) - len(undecided), "latency", "latencies")
        said.append(f"{invalid} undecided because a measurement is INVALID: measure again.")
    return said


def _why(undecided: Sequence[Change]) -> str:
    bounds = [(item.low, item.high) for item in undecided if item.low is not None and item.high is not None]
    widest = max((math.sqrt(high / low) - 1 for low, high in bounds if low > 0), default=0.0)
    if any(item.basis is Basis.BETWEEN_RUNS for item in undecided):
        return (
            f"two runs of this machine can differ by {100 * widest:.2g} % for no reason; measure both now with "
            "--interleave."
        )
    return f"their intervals reach {100 * widest:.2g} % to either side; measure for longer."


def _recalls(change: RunChange, names: Names) -> list[str]:
    said = []
    for verdict in (ChangeVerdict.WORSE, ChangeVerdict.BETTER):
        pairs = _with(((case, item) for case in change.cases for item in case.changes if _judged(item)), verdict)
        pairs.sort(key=lambda pair: -abs(pair[1].value or 0.0))
        if pairs:
            listed = [f"{names.labels[case.case_id]} {_figure(item)} {difference(item)}" for case, item in pairs]
            said.append(f"Answers are shown to be {verdict.value}, in points: {joined(listed)}.")
    compared = sum(1 for case in change.cases if any(_judged(item) for item in case.changes))
    if compared and not said:
        said.append(f"No change of accuracy is shown ({count(compared, 'case')} compared on the same images).")
    return said


def _judged(item: Change) -> bool:
    return item.metric.is_share and item.verdict is not None


def _figure(item: Change) -> str:
    names = {Metric.TOP1: "top-1", Metric.BALANCED: "balanced accuracy"}
    return f"recall of {clean(item.label)}" if item.label is not None else names.get(item.metric, item.metric.value)


def _memory(change: RunChange, names: Names) -> list[str]:
    words = {ChangeVerdict.WORSE: "more", ChangeVerdict.BETTER: "less"}
    return _by_verdict(change, names, Metric.PEAK_RSS, lambda verdict: f"Peak memory is {words[verdict]}", "MB")


def _sizes(change: RunChange, names: Names) -> list[str]:
    words = {ChangeVerdict.WORSE: "larger", ChangeVerdict.BETTER: "smaller"}
    return _by_verdict(change, names, Metric.SIZE, lambda verdict: f"Files are {words[verdict]}", "MB")


def _by_verdict(
    change: RunChange, names: Names, metric: Metric, head: Callable[[ChangeVerdict], str], unit: str
) -> list[str]:
    said = []
    for verdict in (ChangeVerdict.WORSE, ChangeVerdict.BETTER):
        pairs = _with(_of(change, metric), verdict)
        if pairs:
            listed = joined([f"{names.labels[case.case_id]} {sides(item)} {unit}" for case, item in pairs])
            said.append(f"{head(verdict)}: {listed}.")
    return said


def _table(change: RunChange, names: Names) -> Section:
    accuracy = any(case.find(Metric.BALANCED) for case in change.cases)
    rows = tuple(_row(case, names, accuracy=accuracy) for case in change.cases)
    grids = (Grid("", _HEADS + (_ACCURACY_HEADS if accuracy else ()), rows),) if rows else ()
    return Section("changes", "Every case", ABOUT if rows else "Nothing to show.", grids, _absences(change, names))


def _row(case: CaseChange, names: Names, *, accuracy: bool) -> tuple[str, ...]:
    p50, balanced = case.find(Metric.P50), case.find(Metric.BALANCED)
    cells = [names.labels[case.case_id], sides(p50), factor(p50)]
    cells += [_marked(case.find(Metric.PEAK_RSS)), _marked(case.find(Metric.SIZE))]
    if accuracy:
        cells += [sides(balanced), ABSENT if balanced is None else f"{difference(balanced)}{sign(balanced)}"]
    return tuple(cells)


def _marked(change: Change | None) -> str:
    return sides(change) + (sign(change) if change is not None else "")


def _absences(change: RunChange, names: Names) -> tuple[str, ...]:
    """Return why figures of the table, or their intervals, are absent: one line a reason."""
    found: dict[str, dict[str, None]] = {}
    for case in change.cases:
        for metric in (Metric.P50, Metric.PEAK_RSS, Metric.BALANCED):
            item = case.find(metric)
            for kind, reason in item.unavailable.items() if item is not None else ():
                title = metric.value if kind == "value" else f"interval of {metric.value}"
                found.setdefault(f"{title}: {clean(reason)}", {})[names.labels[case.case_id]] = None
    return tuple(f"{ABSENT} {reason} ({joined(list(who))})" for reason, who in found.items())


def _classes(change: RunChange, names: Names, whole: bool) -> Section | None:
    """Return the classes whose answers changed, those shown to be worse first."""
    compared = [(case, item) for case in change.cases for item in case.changes if item.metric is Metric.RECALL]
    if not compared:
        return None
    changed = [pair for pair in compared if pair[1].lost or pair[1].gained or pair[1].verdict in _CHANGED]
    order = [ChangeVerdict.WORSE, ChangeVerdict.BETTER, ChangeVerdict.UNDECIDED, ChangeVerdict.SAME, None]
    changed.sort(key=lambda pair: (order.index(pair[1].verdict), pair[1].value or 0.0))
    limit = _CLASSES_WHOLE if whole else _CLASSES_SHOWN
    rows = tuple(_class_row(case, item, names) for case, item in changed[:limit])
    heads = (("case, class", ""), ("images", ""), ("lost", ""), ("gained", ""), ("recall", ""), ("points", "95 %"),
             ("", ""))  # fmt: skip
    lines = [f"{count(len(changed) - limit, 'more class', 'more classes')}: --format csv has all"]
    about = (
        "Images that only the base answers rightly, and only the new one; points of recall. Worse and better are by an "
        "exact test over all classes of a case."
    )
    if not rows:
        about = "No class has gained or lost an image."
    grids = (Grid("", heads, rows),) if rows else ()
    return Section("classes", "Classes that changed", about, grids, tuple(lines if len(changed) > limit else ()))


def _class_row(case: CaseChange, item: Change, names: Names) -> tuple[str, ...]:
    numbers = [ABSENT if value is None else f"{value:,}" for value in (item.images, item.lost, item.gained)]
    mark = MARKS[item.verdict] if item.verdict else ""
    return (f"{names.labels[case.case_id]}, {clean(item.label or '')}", *numbers, sides(item), difference(item), mark)


def _doubts(change: RunChange, names: Names) -> Section | None:
    lines = _grouped(change, names, lambda case: case.doubts)
    return Section("doubts", "Doubts", lines=lines) if lines else None


def _explanations(change: RunChange, names: Names, whole: bool) -> Section | None:
    """Return how latency is known, and where ``whole`` memory and accuracy of all images."""
    metrics = (Metric.P50, Metric.PEAK_RSS, Metric.BALANCED) if whole else (Metric.P50,)
    lines = _grouped(
        change,
        names,
        lambda case: [f"{item.name}: {item.explanation}" for item in case.changes
                      if item.metric in metrics and item.explanation],
    )  # fmt: skip
    return Section("basis", "Where the intervals come from", lines=lines) if lines else None


def _grouped(change: RunChange, names: Names, texts: Callable[[CaseChange], Sequence[str]]) -> tuple[str, ...]:
    """Return one line a text, with the cases that it is about."""
    found: dict[str, list[CaseResult]] = {}
    for case in change.cases:
        for text in texts(case):
            found.setdefault(clean(text), []).append(case.base)
    everyone = len(change.cases)
    return tuple(
        text if len(cases) == everyone > 1 else f"{joined([names.labels[case.case_id] for case in cases])}: {text}"
        for text, cases in found.items()
    )


def _environment(change: RunChange) -> Section | None:
    lines = tuple(clean(line) for line in change.environment)
    return Section("environment", "Not the same around them", "base → new", lines=lines) if lines else None


def _unmatched(change: RunChange) -> Section | None:
    lines = [f"missing in the new run: {clean(case_id)}" for case_id in change.missing]
    lines += [f"only in the new run: {clean(case_id)}" for case_id in change.added]
    return Section("unmatched", "Cases without a counterpart", lines=tuple(lines)) if lines else None


def _notes(change: RunChange, names: Names) -> Section | None:
    lines = []
    for note in change.notes:
        case_id, _, rest = note.partition(": ")
        lines.append(f"{names.labels[case_id]}: {clean(rest)}" if case_id in names.labels else clean(note))
    return Section("notes", "Notes", lines=tuple(lines)) if lines else None
