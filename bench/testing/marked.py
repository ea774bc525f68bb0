"""The marker ``@pytest.mark.edgebench(...)``: what to measure for a test, and the limits to hold it to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import UsageError
from ..nearest import nearest
from ..spec import LOCAL


@dataclass(frozen=True)
class Conditions:
    """What all cases of one run share: tests with the same conditions are measured together.

    ``device`` names another device than this machine, as ``--device`` does.
    """

    data: str | None = None
    metadata: str | None = None
    labels: str | None = None
    normalize: str | None = None
    limit: int | None = None
    split: str | None = None
    python: str | None = None
    budget: str | None = None
    blocks: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class Limits:
    """What must hold. ``ratio_to`` is the variant that ``max_ratio`` compares with."""

    max_p50_ms: float | None = None
    max_p90_ms: float | None = None
    max_peak_mb: float | None = None
    max_size_mb: float | None = None
    min_top1: float | None = None
    min_balanced: float | None = None
    min_recall: tuple[tuple[str, float], ...] = ()
    ratio_to: str | None = None
    max_ratio: float | None = None
    gates: tuple[str, ...] = ()

    @property
    def about_accuracy(self) -> bool:
        """True where a limit needs classified images."""
        return bool(self.min_recall) or self.min_top1 is not None or self.min_balanced is not None


@dataclass(frozen=True)
class Request:
    """One test's request: a model (file, folder or ``MODEL/VARIANT=FILE``), how to run it, and its limits."""

    model: str
    engine: str = "interpreter"
    delegate: str = "default"
    threads: int = 1
    conditions: Conditions = Conditions()
    limits: Limits = Limits()


_WAYS = ("model", "engine", "delegate", "threads")
_CONDITIONS = tuple(item.name for item in fields(Conditions))
_PLAIN_LIMITS = ("max_p50_ms", "max_p90_ms", "max_peak_mb", "max_size_mb", "min_top1", "min_balanced")
KNOWN = (*_WAYS, *_PLAIN_LIMITS, "min_recall", "max_ratio", "gate", *_CONDITIONS)


def make_request(
    given: Mapping[str, Any], *, budget: str | None = None, data: str | None = None, device: str | None = None
) -> Request:
    """Return the request that the marker's or the fixture's keywords make; the others are the session's.

    Raises:
        UsageError: an unknown keyword, or a value of the wrong kind.
    """
    for name in given:
        if name not in KNOWN:
            near = nearest(name, KNOWN)
            hint = f"did you mean {near}? " if near else ""
            raise UsageError(f"edgebench(): there is no keyword {name}; {hint}There are {', '.join(KNOWN)}")
    model = given.get("model")
    if not isinstance(model, str) and not hasattr(model, "__fspath__"):
        raise UsageError("edgebench(): name the model, for instance model='models/net/int8.tflite'")
    threads = given.get("threads", 1)
    if not isinstance(threads, int) or isinstance(threads, bool):
        raise UsageError(f"edgebench(threads={threads!r}): must be a whole number; give each count a test of its own")
    shared = {"budget": budget, "data": data, "device": device}
    conditions = Conditions(**shared | {name: given[name] for name in _CONDITIONS if name in given})
    return Request(
        model=str(model),
        engine=str(given.get("engine", "interpreter")),
        delegate=str(given.get("delegate", "default")),
        threads=threads,
        conditions=replace(conditions, device=one_device(conditions.device)),
        limits=_limits(given),
    )


def one_device(text: object) -> str | None:
    """Return what names a device, None for this machine. Raises UsageError where it is no text, or names several."""
    if text is None or text == LOCAL:
        return None
    if not isinstance(text, str) or "," in text:
        raise UsageError(f"edgebench(device={text!r}): name one device, as 'pi' or 'ssh://pi@raspberrypi.local'")
    return text


def _limits(given: Mapping[str, Any]) -> Limits:
    plain = {name: _number(name, given[name]) for name in _PLAIN_LIMITS if given.get(name) is not None}
    recall = given.get("min_recall") or {}
    if not isinstance(recall, Mapping):
        raise UsageError(f"edgebench(min_recall={recall!r}): write a recall for each class, as {{'mel': 0.7}}")
    ratio = given.get("max_ratio")
    if ratio is not None and not (isinstance(ratio, (tuple, list)) and len(ratio) == 2 and isinstance(ratio[0], str)):
        raise UsageError(f"edgebench(max_ratio={ratio!r}): write a variant and a ratio, as ('float32', 1.05)")
    gate = given.get("gate", ())
    gates: Iterable[Any] = (gate,) if isinstance(gate, str) else gate
    return Limits(
        **plain,
        min_recall=tuple((str(label), _number(f"min_recall[{label}]", value)) for label, value in recall.items()),
        ratio_to=None if ratio is None else ratio[0],
        max_ratio=None if ratio is None else _number("max_ratio", ratio[1]),
        gates=tuple(str(text) for text in gates),
    )


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise UsageError(f"edgebench({name}={value!r}): must be a number, not below 0")
    if name.startswith("min_") and value > 1:
        raise UsageError(f"edgebench({name}={value!r}): a share of 1 is all; write 0.7 for 70 %")
    return float(value)
