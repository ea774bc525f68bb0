"""Gates: limits that a measurement must keep, and how they are written.

``int8*@pi*: p50 <= 1.05x`` is a gate for the variants ``int8*`` on the devices ``pi*``: their median latency may be at
most 1.05 times the base's. Costs (times, memory, sizes) have ``<=``, shares (accuracy) have ``>=``.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from .changes import Metric
from .errors import UsageError

#: Written for a class, it stands for every one.
EVERY_CLASS = "*"
_LABEL = r'\[\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<bare>[^\]"]*?))\s*\]'
_GATE = re.compile(
    rf"(?:(?P<where>.+?)\s*:\s*)?(?P<metric>[A-Za-z]\w*)\s*(?P<bracket>{_LABEL})?\s*(?P<sign>[<>=!]+)\s*(?P<limit>.+)",
    re.DOTALL,
)
_NUMBER = re.compile(r"(?P<sign>[+−-]?)\s*(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>[A-Za-zµμ%]*)")
_TIME_NS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9}
_BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}
_TIMES = frozenset({Metric.P50, Metric.P90, Metric.P95, Metric.P99, Metric.LOAD, Metric.FIRST})
_EXAMPLES = 'p50 <= 1.05x, peak_rss <= +10%, size <= 3MB, recall[mel] >= -2pt or "int8*@pi*: p50 <= 25ms"'


class GateKind(str, Enum):
    """What a limit is about: new / base, new - base in points, or the new figure alone."""

    RATIO = "ratio"
    POINTS = "points"
    ABSOLUTE = "absolute"


@dataclass(frozen=True)
class Gate:
    """One limit.

    ``limit`` is a ratio (1.05), a difference of shares (-0.02 for -2pt), or a figure in the metric's unit: ns, bytes
    or a share. ``label`` is a class, or ``*`` for every class, with metrics that have one. ``text`` is how the limit
    was written, without the patterns, which say whom it is for.
    """

    metric: Metric
    kind: GateKind
    limit: float
    text: str
    label: str | None = None
    model: str = "*"
    variant: str = "*"
    device: str = "*"

    @property
    def against_base(self) -> bool:
        """True where the limit is about a change from a base."""
        return self.kind is not GateKind.ABSOLUTE

    @property
    def whole_text(self) -> str:
        """The gate with the patterns that say whom it is for."""
        model = "" if self.model == "*" else f"{self.model}/"
        device = "" if self.device == "*" else f"@{self.device}"
        where = f"{model}{self.variant}{device}"
        return self.text if where == "*" else f"{where}: {self.text}"

    def is_for(self, model: str, variant: str, device: str) -> bool:
        """Return whether a case of these names must keep the limit."""
        names = ((model, self.model), (variant, self.variant), (device, self.device))
        return all(fnmatchcase(name, pattern) for name, pattern in names)


def parse_gates(
    texts: Iterable[str], *, model: str = "*", variant: str = "*", device: str = "*", flag: str = "--gate"
) -> tuple[Gate, ...]:
    """Return the gates that texts write, each once, in their order.

    Args:
        texts: expressions such as ``recall[mel] >= -2pt``, with or without patterns before a colon.
        model, variant, device: patterns for those that name none themselves.
        flag: what to call the place they come from.

    Raises:
        UsageError: something in a text is no gate.
    """
    return tuple(dict.fromkeys(parse_gate(text, model=model, variant=variant, device=device, flag=flag)
                               for text in texts))  # fmt: skip


def parse_gate(text: str, *, model: str = "*", variant: str = "*", device: str = "*", flag: str = "--gate") -> Gate:
    """Return the gate that a text writes; see :func:`parse_gates`."""
    found = _GATE.fullmatch(text.strip())
    about = f"{flag} {text.strip()}"
    if not found:
        raise UsageError(f"{about}: not a gate; write {_EXAMPLES}")
    metric = _metric(found["metric"], about)
    label = _label(metric, found, about)
    _check_sign(metric, found["sign"], about)
    kind, limit = _limit(metric, found["limit"].strip(), about)
    name = metric.value if found["bracket"] is None else f"{metric.value}{_bracket(label)}"
    patterns = _patterns(found["where"], (model, variant, device), about)
    return Gate(metric, kind, limit, f"{name} {found['sign']} {found['limit'].strip()}", label, *patterns)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` where a known name is close, else the names there are."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1, 0.5)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(names)}"


def _metric(name: str, about: str) -> Metric:
    try:
        return Metric(name.lower())
    except ValueError:
        raise UsageError(
            f"{about}: no metric is called {name}{nearest(name.lower(), [item.value for item in Metric])}"
        ) from None


def _label(metric: Metric, found: re.Match[str], about: str) -> str | None:
    if found["bracket"] is None:
        if metric.by_class:
            raise UsageError(
                f"{about}: {metric.value} belongs to a class; write {metric.value}[LABEL], or {metric.value}[*] for "
                f"every class"
            )
        return None
    if not metric.by_class:
        raise UsageError(f"{about}: {metric.value} belongs to no class; leave the brackets out")
    if found["quoted"] is None:
        label = found["bare"].strip()
    else:
        try:
            label = str(json.loads(found["quoted"]))
        except ValueError:
            raise UsageError(f'{about}: within quotes, write \\" for a quote and \\\\ for a backslash') from None
    if not label:
        raise UsageError(f"{about}: name a class within the brackets, or * for every class")
    return label


def _bracket(label: str | None) -> str:
    text = label or ""
    return f"[{text}]" if not re.search(r'[\]"\\]|^\s|\s$', text) else f"[{json.dumps(text, ensure_ascii=False)}]"


def _check_sign(metric: Metric, sign: str, about: str) -> None:
    wanted = ">=" if metric.is_share else "<="
    if sign == wanted:
        return
    if sign in ("<=", ">=", "<", ">", "=", "=="):
        why = "a share, of which more is better" if metric.is_share else "a cost, of which less is better"
        raise UsageError(f"{about}: {metric.value} is {why}: write {wanted} instead of {sign}")
    raise UsageError(f"{about}: {sign} is no comparison; write {wanted}")


def _limit(metric: Metric, text: str, about: str) -> tuple[GateKind, float]:
    found = _NUMBER.fullmatch(text)
    forms = _forms(metric)
    if not found:
        raise UsageError(f"{about}: {text} is no limit; write {forms}")
    number, unit = float(found["number"]), found["unit"].lower()
    signed = -number if found["sign"] in ("-", "−") else number
    kind_and_limit = (
        _share_limit(signed, unit, bool(found["sign"]))
        if metric.is_share
        else _cost_limit(metric, signed, unit, bool(found["sign"]))
    )
    if kind_and_limit is None:
        raise UsageError(f"{about}: {text} is no limit for {metric.value}; write {forms}")
    return kind_and_limit


def _forms(metric: Metric) -> str:
    if metric.is_share:
        return "-2pt (points from the base), 0.70 or 70%"
    return f"1.05x or +5% (of the base), or {'25ms' if metric in _TIMES else '60MB'}"


def _share_limit(number: float, unit: str, signed: bool) -> tuple[GateKind, float] | None:
    if unit in ("pt", "pts"):
        return (GateKind.POINTS, number / 100) if abs(number) < 100 and (signed or number == 0) else None
    share = number / 100 if unit == "%" else number
    usable = unit in ("", "%") and not signed and 0 <= share <= 1
    return (GateKind.ABSOLUTE, share) if usable else None


def _cost_limit(metric: Metric, number: float, unit: str, signed: bool) -> tuple[GateKind, float] | None:
    if unit == "%":
        return (GateKind.RATIO, 1 + number / 100) if signed and number > -100 else None
    if signed or number <= 0:
        return None
    if unit == "x":
        return GateKind.RATIO, number
    units = _TIME_NS if metric in _TIMES else _BYTES
    return (GateKind.ABSOLUTE, number * units[unit]) if unit in units else None


def _patterns(where: str | None, given: tuple[str, str, str], about: str) -> tuple[str, str, str]:
    """Return patterns of model, variant and device from ``[MODEL/]VARIANT[@DEVICE]``."""
    if where is None:
        return given
    name, at, device = where.partition("@")
    model, slash, variant = name.rpartition("/")
    if (slash and not model.strip()) or (at and not device.strip()):
        raise UsageError(f"{about}: write MODEL/VARIANT@DEVICE before the colon; what is left out matches everything")
    return model.strip() or given[0], variant.strip() or given[1], device.strip() or given[2]
