"""What a change must not cost, as a person writes it: ``int8*@pi*: p50 <= 1.05x``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase

from .analysis.figures import TIMES
from .changes import Metric
from .errors import UsageError
from .nearest import nearest
from .records import CaseResult

#: Stands for every class of a model in ``recall[*]``.
EVERY = "*"
_FORMS = "p50 <= 1.05x, p50 <= 25ms, peak_rss <= +10%, size <= 3MB, recall[mel] >= -2pt or balanced >= 0.7"
_GATE = re.compile(
    r"""(?:(?P<where>\S.*?):\s+)?
        (?P<metric>[A-Za-z0-9_-]+)\s*
        (?:\[\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\]"]*?))\s*\])?\s*
        (?P<sign><=|>=|==|=|<|>)\s*
        (?P<limit>\S.*)""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = r"(\d+(?:\.\d+)?)"
_FACTOR = re.compile(rf"{_NUMBER}\s*x")
_RELATIVE = re.compile(rf"([+-]){_NUMBER}\s*%")
_POINTS = re.compile(rf"([+-]?){_NUMBER}\s*pt")
_SHARE = re.compile(rf"{_NUMBER}\s*(%?)")
_AMOUNT = re.compile(rf"{_NUMBER}\s*([A-Za-z]+)")
_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
_BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}


class GateKind(str, Enum):
    """What the limit is a limit of: new / base, new - base, or the new figure alone."""

    RATIO = "ratio"
    POINTS = "points"
    ABSOLUTE = "absolute"


@dataclass(frozen=True)
class Gate:
    """One limit. ``limit`` is a ratio, a difference of shares, or a figure in the metric's unit, as ``kind`` says.

    A share must not be below it, anything else not above. ``label`` is the class, or :data:`EVERY`. The patterns are
    globs of the names in a case's id. An ``optional`` gate, of a file that is about more than one measurement, may be
    about nothing that was measured.
    """

    text: str
    metric: Metric
    kind: GateKind
    limit: float
    label: str | None = None
    model: str = EVERY
    variant: str = EVERY
    device: str = EVERY
    optional: bool = False

    def covers(self, case: CaseResult) -> bool:
        """Tell whether the gate is about a case."""
        return self.covers_names(case.model, case.variant, case.device)

    def covers_names(self, model: str, variant: str, device: str) -> bool:
        """Tell whether the gate is about a case of these names."""
        names = ((model, self.model), (variant, self.variant), (device, self.device))
        return all(fnmatchcase(name, pattern) for name, pattern in names)


def parse_gate(text: str, origin: str = "--gate") -> Gate:
    """Return the gate that ``[[MODEL/]VARIANT[@DEVICE]: ]METRIC[LABEL] <= LIMIT`` writes.

    Raises:
        UsageError: it writes none; ``origin`` is named.
    """
    found = _GATE.fullmatch(text.strip())
    about = f"{origin} {text!r}"
    if found is None:
        raise UsageError(f"{about}: write for instance {_FORMS}")
    metric = _metric(found["metric"], about)
    label = _label(metric, found, about)
    wanted = ">=" if metric.is_share else "<="
    if found["sign"] != wanted:
        why = "more of it is better" if metric.is_share else "less of it is better"
        raise UsageError(f"{about}: {why}, so the limit of {metric.value} is written with {wanted}")
    kind, limit = _limit(metric, found["limit"].strip(), about)
    return _placed(Gate(text.strip(), metric, kind, limit, label), found["where"], about)


def parse_gates(texts: Iterable[str], origin: str = "--gate") -> tuple[Gate, ...]:
    """Return the gates that the texts write, each once."""
    return tuple(dict.fromkeys(parse_gate(text, origin) for text in texts))


def with_patterns(gate: Gate, *, model: str = EVERY, variant: str = EVERY, device: str = EVERY) -> Gate:
    """Return the gate with patterns where it has none of its own."""
    return replace(
        gate,
        model=model if gate.model == EVERY else gate.model,
        variant=variant if gate.variant == EVERY else gate.variant,
        device=device if gate.device == EVERY else gate.device,
    )


def _metric(name: str, about: str) -> Metric:
    try:
        return Metric(name.lower().replace("-", "_"))
    except ValueError:
        names = [metric.value for metric in Metric]
        near = nearest(name.lower(), names)
        hint = f"did you mean {near}? " if near else ""
        raise UsageError(f"{about}: there is no figure {name}; {hint}There are {', '.join(names)}") from None


def _label(metric: Metric, found: re.Match[str], about: str) -> str | None:
    quoted, plain = found["quoted"], found["plain"]
    label = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
    if metric.by_class and not label:
        raise UsageError(f"{about}: {metric.value} is of one class: write {metric.value}[LABEL], or {metric.value}[*]")
    if not metric.by_class and label is not None:
        raise UsageError(f"{about}: {metric.value} is of the whole case; leave [{label}] out")
    return label


def _limit(metric: Metric, text: str, about: str) -> tuple[GateKind, float]:
    found = _share_limit(text) if metric.is_share else _cost_limit(metric, text)
    if found is None:
        if metric.is_share:
            forms = "-2pt (of the base's), 0.7 or 70%"
        else:
            forms = f"1.05x or +5% (of the base's), or {'25ms' if metric in TIMES else '60MB'}"
        raise UsageError(f"{about}: {text} is no limit of {metric.value}; write {forms}")
    return found


def _share_limit(text: str) -> tuple[GateKind, float] | None:
    if points := _POINTS.fullmatch(text):
        value = float(points[2]) / 100
        return (GateKind.POINTS, -value if points[1] == "-" else value) if value < 1 else None
    if share := _SHARE.fullmatch(text):
        value = float(share[1]) / (100 if share[2] else 1)
        return (GateKind.ABSOLUTE, value) if 0 <= value <= 1 else None
    return None


def _cost_limit(metric: Metric, text: str) -> tuple[GateKind, float] | None:
    if factor := _FACTOR.fullmatch(text):
        return (GateKind.RATIO, float(factor[1])) if float(factor[1]) > 0 else None
    if relative := _RELATIVE.fullmatch(text):
        share = float(relative[2]) / 100
        ratio = 1 + share if relative[1] == "+" else 1 - share
        return (GateKind.RATIO, ratio) if ratio > 0 else None
    if amount := _AMOUNT.fullmatch(text):
        unit = (_NS if metric in TIMES else _BYTES).get(amount[2].lower())
        return None if unit is None else (GateKind.ABSOLUTE, float(amount[1]) * unit)
    return None


def _placed(gate: Gate, where: str | None, about: str) -> Gate:
    if where is None:
        return gate
    names, _, device = where.partition("@")
    model, slash, variant = names.rpartition("/")
    if not where.strip("@") or (slash and not model):
        raise UsageError(f"{about}: write which cases it is about as [MODEL/]VARIANT[@DEVICE], before the colon")
    return replace(gate, model=model or EVERY, variant=variant or EVERY, device=device or EVERY)
