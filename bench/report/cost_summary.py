"""Sentences for the top of a report: which classes a variant loses, or how small a loss would have been shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..records import AccuracyVerdict, PairedDifference
from .costs import Compared, CostTable, chance
from .results import Result
from .text import clean, count, joined, points, ratio

_RESULTS_SHOWN = 4
_CLASSES_SHOWN = 3


def cost_sentences(tables: Iterable[CostTable]) -> list[str]:
    """Return one sentence for each result with a difference that is shown, and one for those without any together."""
    sentences: list[str] = []
    for table in tables:
        told = [(cost, _shown(cost)) for cost in table.costs]
        worst = sorted((item for item in told if item[1]), key=lambda item: _smallest_p(item[1]))
        sentences += [_changed(cost, shown) for cost, shown in worst[:_RESULTS_SHOWN]]
        if len(worst) > _RESULTS_SHOWN:
            more = count(len(worst) - _RESULTS_SHOWN, "more variant")
            sentences.append(f"And {more} with a difference shown, in the table of classes.")
        sentences += _unchanged(table, [cost for cost, shown in told if not shown])
    return sentences


def agreement_sentence(compared: Sequence[Compared]) -> list[str]:
    """Return one sentence with the share of equal answers, for images whose classes are not known."""
    parts = [
        f"{item.result.short} {100 * found.top1:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"
        for item in compared
        if (found := item.found.agreement)
    ]
    return [f"Same answer as {compared[0].base.short}: {joined(parts)} of the images."] if parts else []


def _shown(cost: Compared) -> list[PairedDifference]:
    return [item for item in cost.everything if item.verdict in (AccuracyVerdict.WORSE, AccuracyVerdict.BETTER)]


def _smallest_p(items: Sequence[PairedDifference]) -> float:
    return min(_p(item) for item in items)


def _p(item: PairedDifference) -> float:
    return next((value for value in (item.p_holm, item.p) if value is not None), 1.0)


def _changed(cost: Compared, shown: Sequence[PairedDifference]) -> str:
    """Return ``int8 loses mel: recall 0.713 to 0.620, 9.3 points (4.2 to 14.1), p 0.001.``"""
    overall = [item for item in shown if item not in cost.found.classes]
    parts = []
    for verdict, verb in ((AccuracyVerdict.WORSE, "loses"), (AccuracyVerdict.BETTER, "gains")):
        found = sorted((item for item in shown if item.verdict is verdict and item not in overall), key=_p)
        if found:
            told = [_class(cost, item) for item in found[:_CLASSES_SHOWN]]
            more = [f"and {len(found) - _CLASSES_SHOWN} more"] if len(found) > _CLASSES_SHOWN else []
            parts.append(f"{verb} {'; '.join([*told, *more])}")
    name, base = cost.result.short, cost.base.short
    if parts:
        return f"{name} {', and '.join(parts)} (against {base})."
    said = "; ".join(f"{_gone(item.verdict)} {item.name}, {_size(item)}" for item in overall)
    return f"{name} {said} (against {base}); no single class shown worse{_could(cost.found.classes)}."


def _gone(verdict: AccuracyVerdict | None) -> str:
    return "loses" if verdict is AccuracyVerdict.WORSE else "gains"


def _class(cost: Compared, item: PairedDifference) -> str:
    before, after = _recall(cost.base, item.name), _recall(cost.result, item.name)
    change = f"recall {ratio(before)} to {ratio(after)}, " if before is not None and after is not None else ""
    return f"{clean(item.name)}: {change}{_size(item)}"


def _size(item: PairedDifference) -> str:
    """Return ``9.3 points (4.2 to 14.1), p 0.001``, as what was lost or gained."""
    sign = -1 if item.verdict is AccuracyVerdict.WORSE else 1
    low, high = sorted((sign * (item.low or 0.0), sign * (item.high or 0.0)))
    bounds = f" ({_plain(low)} to {_plain(high)})" if item.low is not None and item.high is not None else ""
    return f"{_plain(abs(item.difference or 0.0))} points{bounds}, {chance(item)}"


def _plain(share: float) -> str:
    return points(share).removeprefix("+")


def _recall(result: Result, label: str) -> float | None:
    accuracy = result.first.accuracy
    return next((item.recall for item in accuracy.classes if item.label == label), None) if accuracy else None


def _unchanged(table: CostTable, costs: Sequence[Compared]) -> list[str]:
    """Say of which results nothing was shown, and how small a difference of a class would have been."""
    same = [cost for cost in costs if cost.unchanged]
    others = [cost for cost in costs if not cost.unchanged]
    sentences = []
    if same:
        names = joined([cost.result.short for cost in same])
        verb = "answers" if len(same) == 1 else "answer"
        sentences.append(f"{names} {verb} all {same[0].found.images:,} images as {table.base.short} does.")
    if others:
        names = joined([cost.result.short for cost in others])
        could = _could([item for cost in others for item in cost.found.classes])
        sentences.append(f"{names}: no class shown worse than with {table.base.short}{could}.")
    return sentences


def _could(classes: Sequence[PairedDifference]) -> str:
    """Return `` (could have shown 5.3 points of mel, 14.2 of df)``: the class seen best, and the one seen worst."""
    largest: dict[str, float] = {}
    blind: dict[str, None] = {}
    for item in (item for item in classes if item.difference is not None):
        if item.detectable is None:
            blind[item.name] = None
        else:
            largest[item.name] = max(largest.get(item.name, 0.0), item.detectable)
    seen = sorted((size, name) for name, size in largest.items() if name not in blind)
    if len(seen) > 1 and not blind and _plain(seen[0][0]) == _plain(seen[-1][0]):
        return f" (could have shown {_plain(seen[0][0])} points of any class)"
    parts = [f"{_plain(size)} {'points ' if i == 0 else ''}of {clean(name)}" for i, (size, name) in enumerate(seen)]
    said = [parts[0], *parts[1:][-1:]] if parts else []
    said += [f"nothing of {joined([clean(name) for name in blind])}"] if blind else []
    return f" (could have shown {', '.join(said)})" if said else ""
