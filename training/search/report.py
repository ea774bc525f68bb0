"""What a search found, for people (a table on stdout) and for programs (``search.json``)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgebench.records import Accuracy
from edgebench.report.text import ABSENT, clean, count, megabytes, milliseconds, multiple
from tabulate import tabulate

from .candidates import Candidate
from .choose import Metric, Pick, Point, dominates, front, worst_class
from .judging import RIVALS, Figures, Look
from .noise import balanced_half_width
from .results import Result

SEARCH_FILE = "search.json"
_FORMAT = 1


@dataclass(frozen=True)
class SearchReport:
    """A whole search. ``chosen`` are the searched variants that were written as files; ``look`` is None where
    nothing was there to be judged."""

    model: str
    metric: Metric
    candidates: tuple[Candidate, ...]
    results: tuple[Result, ...]
    untried: tuple[str, ...]
    picks: tuple[Pick, ...]
    chosen: tuple[str, ...]
    look: Look | None
    validation_note: str
    tools: Mapping[str, str]
    model_sha256: str = ""
    generated: bool = False

    def by_name(self) -> dict[str, Result]:
        """Results by the candidate's name."""
        return {result.name: result for result in self.results}

    def standard_missing(self) -> bool:
        """Whether a standard variant that was tried could not be made or does not run."""
        standard = {candidate.name for candidate in self.candidates if candidate.standard}
        return any(result.name in standard and result.measured is None for result in self.results)


def point_of(result: Result, metric: Metric) -> Point | None:
    """Where a candidate stands; None where a figure is missing. float32 is its own baseline, at 1."""
    measured = result.measured
    value = metric.of(measured.accuracy) if measured else None
    if measured is None or value is None or result.size_bytes is None:
        return None
    compared = measured.comparison
    if compared is None:
        return Point(result.name, value, 1.0, 1.0, 1.0, result.size_bytes)
    if compared.ratio is None or compared.low is None or compared.high is None:
        return None
    return Point(result.name, value, compared.ratio, compared.low, compared.high, result.size_bytes)


def points_of(results: Sequence[Result], metric: Metric) -> list[Point]:
    """The points of all that have one."""
    return [point for result in results if (point := point_of(result, metric)) is not None]


def render_search(report: SearchReport) -> str:
    """The search as plain text, ending in a newline."""
    parts = [
        f"Search for variants of {clean(report.model)}, judged by {report.metric.title}",
        _validation_table(report),
        "\n".join(_validation_lines(report)),
        "\n".join(_pick_lines(report)),
    ]
    if report.look is not None:
        parts += [
            f"Test images, looked at after the choice: {report.look.note}",
            _test_table(report, report.look),
            "\n".join(_test_lines(report, report.look)),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _validation_table(report: SearchReport) -> str:
    on_front = front(points_of(report.results, report.metric))
    how = {candidate.name: candidate.how for candidate in report.candidates}
    base = report.results[0].accuracy
    rows = []
    for result in report.results:
        if result.measured is None or base is None:
            continue
        compared = result.measured.comparison
        rows.append(
            [
                result.name,
                how[result.name],
                megabytes(result.size_bytes or 0),
                _ratio(compared.ratio, compared.low, compared.high) if compared else "1 (baseline)",
                _share(report.metric.of(result.measured.accuracy)),
                _worst(result.measured.accuracy, base) if compared else ABSENT,
                "yes" if result.name in on_front else "",
            ]
        )
    heads = ["candidate", "how made", "MB", "latency ratio", report.metric.title, "worst class", "front"]
    return tabulate(rows, heads, tablefmt="simple", disable_numparse=True)


def _validation_lines(report: SearchReport) -> list[str]:
    lines = [
        f"Accuracy is of the validation images ({clean(report.validation_note)}).",
        f"Calibration: {_usual(report)}, of the training part, unless the table says otherwise.",
        "Latency ratio: to float32, measured in turns, with its 95 % interval; below 1 is faster.",
        "Worst class: the one that loses most recall against float32 (n images).",
        "Front: no other candidate is nowhere worse and somewhere better in accuracy, latency and size (latencies "
        "whose 95 % intervals overlap count as equal).",
    ]
    base = report.results[0].accuracy
    half = balanced_half_width(base) if base else None
    if half is not None and report.metric.name == "balanced_accuracy" and base is not None:
        lines.append(
            f"Noise: {base.images:,} images tell float32's balanced accuracy to about ±{100 * half:.1f} points. "
            "Variants answer the same images, so their differences are known better than that, but small ones are "
            "chance."
        )
    failed = [result for result in report.results if result.measured is None]
    lines += [f"No figures: {result.name}: {clean(result.problem or 'unknown')}" for result in failed]
    if report.untried:
        lines.append(
            f"Not tried, the budget was spent: {', '.join(report.untried)}. The same command goes on with them."
        )
    return lines


def _usual(report: SearchReport) -> str:
    return next((str(one.calibration) for one in report.candidates if one.calibration), "no images")


def _pick_lines(report: SearchReport) -> list[str]:
    lines = ["Chosen on validation, before any test image was looked at:"]
    lines += [f"  {pick.rule}: {pick.name or 'none'}" for pick in report.picks]
    judged = sum(result.measured is not None for result in report.results)
    if judged > 2:
        lines.append(f"Their validation figures are too good: the best of {judged} is in part the luckiest.")
    lines.append(
        f"Written as variants: {', '.join(report.chosen)}" if report.chosen else "No searched variant was chosen."
    )
    return lines


def _test_table(report: SearchReport, look: Look) -> str:
    base = next((one.accuracy for one in look.figures if one.name == "float32"), None)
    rows = [
        [
            one.name,
            megabytes(one.size_bytes) if one.size_bytes else ABSENT,
            milliseconds(one.p50_ns) if one.p50_ns else ABSENT,
            "1 (baseline)" if one.name == "float32" else _ratio(one.ratio, one.ratio_low, one.ratio_high),
            _share(one.accuracy.top1),
            _share(report.metric.of(one.accuracy)),
            _difference(one),
            _worst(one.accuracy, base) if base and one.name != "float32" else ABSENT,
        ]
        for one in look.figures
        if one.accuracy is not None
    ]
    heads = [
        "variant",
        "MB",
        "p50 ms",
        "latency ratio",
        "top-1",
        report.metric.title,
        "minus float32's",
        "worst class",
    ]
    if report.metric.name == "top1":
        heads[5] = "metric"
    return tabulate(rows, heads, tablefmt="simple", disable_numparse=True)


def _test_lines(report: SearchReport, look: Look) -> list[str]:
    lines = [f"Did not run: {one.name}: {clean(one.problem)}" for one in look.figures if one.problem]
    lines += verdicts(report, look)
    lines.append(
        "Intervals are 95 %: of the ratio from blocks of fresh workers, of the difference from lesions resampled "
        "within classes on the same images."
    )
    if look.number > 1:
        lines.append(
            f"This was look number {look.number} at these test images: an earlier search in this folder had chosen "
            "otherwise. Every further look makes the figures of what is chosen a little too good."
        )
    if report.generated:
        lines.append("These are generated images: the figures say nothing about photographs.")
    return lines


def verdicts(report: SearchReport, look: Look) -> list[str]:
    """For each of int8 and dynamic: which searched variant beats it on the test images, if any."""
    points = {one.name: point for one in look.figures if (point := _test_point(one, report.metric)) is not None}
    searched = [points[name] for name in report.chosen if name in points]
    lines = []
    for name in RIVALS:
        rival = points.get(name)
        if rival is None or not searched:
            continue
        better = [point for point in searched if dominates(point, rival)]
        if not better:
            lines.append(f"No chosen variant beats {name} on the test images: each is worse in something.")
        lines += [_beats(report, look, point, rival) for point in better]
    return lines


def _beats(report: SearchReport, look: Look, point: Point, rival: Point) -> str:
    return (
        f"{point.name} is nowhere worse than {rival.name} on the test images and better in something: "
        f"{report.metric.title} {_gain(look, point, rival)}, {multiple(point.ratio)} against {multiple(rival.ratio)} "
        f"of float32's latency, {megabytes(point.size_bytes)} against {megabytes(rival.size_bytes)} MB."
    )


def _gain(look: Look, point: Point, rival: Point) -> str:
    """The difference of the metric in points, and whether chance alone could have made it."""
    known = next(one for one in look.figures if one.name == point.name).against.get(rival.name)
    gain = f"{100 * (point.metric - rival.metric):+.1f} points"
    if known is None:
        return gain
    _, low, high = known
    shown = "" if low > 0 or high < 0 else ", which may be chance"
    return f"{gain} ({100 * low:+.1f} to {100 * high:+.1f}{shown})"


def _test_point(one: Figures, metric: Metric) -> Point | None:
    value = metric.of(one.accuracy) if one.accuracy else None
    if value is None or one.ratio is None or one.ratio_low is None or one.ratio_high is None or not one.size_bytes:
        return None
    return Point(one.name, value, one.ratio, one.ratio_low, one.ratio_high, one.size_bytes)


def _ratio(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return ABSENT
    return f"{multiple(value)} ({multiple(low)}-{multiple(high)})"


def _share(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3f}"


def _worst(accuracy: Accuracy, base: Accuracy) -> str:
    worst = worst_class(accuracy, base)
    return ABSENT if worst is None else f"{clean(worst.label)} {worst.difference:+.3f} (n={worst.images})"


def _difference(one: Figures) -> str:
    if one.difference is None or one.low is None or one.high is None:
        return ABSENT
    return f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})"


def search_json(report: SearchReport) -> str:
    """The text of ``search.json``: every candidate with how it was made and what was measured or went wrong."""
    on_front = front(points_of(report.results, report.metric))
    found = report.by_name()
    listed = []
    for candidate in report.candidates:
        result = found.get(candidate.name)
        entry: dict[str, Any] = {"name": candidate.name, "how": candidate.how, "recipe": candidate.recipe_entry()}
        if result is None:
            listed.append({**entry, "tried": False, "problem": "the budget was spent"})
            continue
        entry |= {"tried": True, "front": candidate.name in on_front, "chosen": candidate.name in report.chosen}
        fields = dataclasses.asdict(result)
        listed.append({**entry, **{key: value for key, value in fields.items() if value not in (None, (), [])}})
    data = {
        "format": _FORMAT,
        "model": report.model,
        "model_sha256": report.model_sha256,
        "metric": report.metric.name,
        "validation": report.validation_note,
        "candidates": listed,
        "picks": [dataclasses.asdict(pick) for pick in report.picks],
        "chosen": list(report.chosen),
        "test": dataclasses.asdict(report.look) if report.look else None,
        "tools": dict(report.tools),
        "generated": report.generated,
    }
    return json.dumps(data, indent=1, allow_nan=False, default=str) + "\n"


def progress_line(report: SearchReport, new: int) -> str:
    """One line on how much was done now and how much was there."""
    tried = len(report.results)
    kept = f", {tried - new} of them by an earlier call" if tried > new else ""
    return f"{count(tried, 'candidate')} tried{kept}"
