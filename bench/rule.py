"""The rule that a recommendation follows, and how it is written on the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .errors import UsageError

NO_CLASS_WORSE = "no-class-worse"
_FORMS = f"balanced=-1pt, top1=-1pt, recall:LABEL=-2pt or {NO_CLASS_WORSE}"
#: A comma parts two criteria where one begins after it: labels may have commas of their own.
_PARTED = re.compile(rf",(?=\s*(?:balanced=|top1=|recall:|{NO_CLASS_WORSE}\s*(?:,|$)))")
_MARGIN = re.compile(r"-(\d+(?:\.\d+)?)\s*pt")


class Measure(str, Enum):
    """Which figure a criterion is about."""

    BALANCED = "balanced"
    TOP1 = "top1"
    RECALL = "recall"


@dataclass(frozen=True)
class Criterion:
    """A figure that must not be lower than the float model's by ``margin`` (0.01 = one point) or more.

    ``label`` is the class, for a recall only.
    """

    measure: Measure
    margin: float
    label: str | None = None

    @property
    def figure(self) -> str:
        """What is compared, in words."""
        if self.measure is Measure.RECALL:
            return f"recall of {self.label}"
        return "balanced accuracy" if self.measure is Measure.BALANCED else "top-1 accuracy"

    @property
    def allowed(self) -> str:
        """The margin in words: ``1 point``, ``2.5 points``."""
        points = f"{100 * self.margin:.10g}"
        return f"{points} point{'' if points == '1' else 's'}"


@dataclass(frozen=True)
class Rule:
    """All criteria that a variant must meet; with ``no_class_worse`` no class may be shown worse, either."""

    criteria: tuple[Criterion, ...]
    no_class_worse: bool = False

    @property
    def words(self) -> str:
        """The rule as a sentence without its full stop."""
        limits = " and ".join(f"{item.allowed} of {item.figure}" for item in self.criteria)
        parts = [f"not worse than the float model by more than {limits} (one-sided 95 %)"] if limits else []
        parts += ["with no class shown worse"] if self.no_class_worse else []
        return f"the smallest latency among variants {', '.join(parts)}"


#: Two points: with one, a variant that changes no answer at all could not pass on images like HAM10000's test part,
#: whose smallest class has 17 or 18 (its lower bound is at 1.5 points there).
DEFAULT_RULE = Rule((Criterion(Measure.BALANCED, 0.02),), no_class_worse=True)


def parse_rule(texts: Iterable[str]) -> Rule | None:
    """Return the rule that texts such as ``balanced=-1pt,recall:mel=-2pt,no-class-worse`` write, None from no text.

    Raises:
        UsageError: something in it is no criterion, or stands there twice.
    """
    parts = [part.strip() for text in texts for part in _PARTED.split(text)]
    if not parts:
        return None
    criteria = tuple(_criterion(part) for part in parts if part != NO_CLASS_WORSE)
    about = [item.figure for item in criteria]
    for figure in about:
        if about.count(figure) > 1:
            raise UsageError(f"--recommend: {figure} has two margins; leave one out")
    return Rule(criteria, NO_CLASS_WORSE in parts)


def _criterion(text: str) -> Criterion:
    figure, equals, margin = text.rpartition("=")
    kind, colon, label = figure.partition(":")
    kind, label = kind.strip(), label.strip()
    known = (kind in ("balanced", "top1") and not colon) or (kind == "recall" and bool(label))
    if not equals or not known:
        raise UsageError(f"--recommend {text}: write {_FORMS}")
    return Criterion(Measure(kind), _margin(margin, f"--recommend {figure}"), label or None)


def _margin(text: str, flag: str) -> float:
    found = _MARGIN.fullmatch(text.strip())
    if not found:
        raise UsageError(
            f"{flag}={text}: write by how many points it may be lower, for instance {flag.split()[1]}=-1pt"
        )
    points = float(found.group(1))
    if not 0 < points < 100:
        raise UsageError(f"{flag}={text}: the margin must be above 0 and below 100 points")
    return points / 100
