"""What single lines of a log mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ProtocolError
from .figures import Applied, Delegates, Replaced, Statistics, Took, Tool
from .lines import Line
from .numbers import NUMBER, mebibytes, milliseconds, nanoseconds, number, statistics_of

_FOOTPRINT = "footprint:"


@dataclass
class Told:
    """What the lines of a log told so far.

    ``block`` has LiteRT's named figures with the runs that they are of. ``refusing``: the lines that come are about
    operators that the GPU delegate does not support.
    """

    tool: Tool = Tool.CLASSIC
    statistics: list[tuple[Statistics, Line]] = field(default_factory=list)
    delegates: Delegates = field(default_factory=Delegates)
    block: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    unconsumed: dict[str, None] = field(default_factory=dict)
    errors: dict[str, None] = field(default_factory=dict)
    refusing: bool = False
    _once: dict[str, tuple[Any, Line]] = field(default_factory=dict)

    def once(self, line: Line, **fields: Any) -> None:
        """Keep figures of which a run tells one; the same again, as a second sink writes it, is nothing new."""
        for name, value in fields.items():
            known = self._once.setdefault(name, (value, line))
            if known[0] != value:
                raise ProtocolError(f"more than one run in this log: {known[1].quoted}, then {line.quoted}")

    def get(self, name: str) -> Any:
        """Return a figure, None where it was not told."""
        known = self._once.get(name)
        return None if known is None else known[0]

    def footprint(self) -> dict[str, int]:
        """Return the figures of memory that were told."""
        return {
            name.removeprefix(_FOOTPRINT): value
            for name, (value, _) in self._once.items()
            if name.startswith(_FOOTPRINT) and value is not None
        }

    def extend(self, **more: Any) -> None:
        """Add items to the lists of what is said of delegates, each once."""
        grown: dict[str, Any] = {
            name: tuple(dict.fromkeys((*getattr(self.delegates, name), item))) for name, item in more.items()
        }
        self.delegates = replace(self.delegates, **grown)


Take = Callable[[Told, "re.Match[str]", Line], None]


@dataclass(frozen=True)
class Rule:
    """A kind of line: one that begins like this has to look like this as a whole, or else is none (not ``must``)."""

    begin: re.Pattern[str]
    whole: re.Pattern[str]
    take: Take
    must: bool = True


def _memory(**fields: int | None) -> dict[str, Any]:
    return {f"{_FOOTPRINT}{name}": value for name, value in fields.items()}


def _statistics(told: Told, found: re.Match[str], line: Line) -> None:
    statistics = statistics_of(found[0])
    if statistics is None:
        raise ProtocolError(f"not understood, {line.quoted}")
    told.statistics.append((statistics, line))


def _timings(told: Told, found: re.Match[str], line: Line) -> None:
    init, first, warmup, measured = map(nanoseconds, found.groups())
    told.once(line, first_inference_ns=first, warmup_mean_ns=warmup, measured_mean_ns=measured)
    _init(told, init, line)


def _old_timings(told: Told, found: re.Match[str], line: Line) -> None:
    warmup, init, measured = map(nanoseconds, found.groups())
    told.once(line, warmup_mean_ns=warmup, measured_mean_ns=measured)
    _init(told, init, line)


def _oldest_timings(told: Told, found: re.Match[str], line: Line) -> None:
    measured, warmup = map(nanoseconds, found.groups())
    told.once(line, warmup_mean_ns=warmup, measured_mean_ns=measured)


def _session(told: Told, found: re.Match[str], line: Line) -> None:
    ns = milliseconds(found[1])
    _init(told, ns if ns is None or found[2] == "ms" else 1000 * ns, line)


def _init(told: Told, ns: float | None, line: Line) -> None:
    """Keep the time of initialisation. Of two lines one has whole microseconds, and the other six digits."""
    known = told.get("init_ns")
    if known is None or ns is None or abs(known - ns) > max(1_000.0, 1e-5 * known):
        told.once(line, init_ns=ns)


def _growth(told: Told, found: re.Match[str], line: Line) -> None:
    init, overall = map(mebibytes, found.groups())
    told.once(line, **_memory(init_growth_bytes=init, overall_growth_bytes=overall))


def _peak(told: Told, found: re.Match[str], line: Line) -> None:
    told.once(line, **_memory(peak_bytes=mebibytes(found[1])))


def _at_end(name: str) -> Take:
    def take(told: Told, found: re.Match[str], line: Line) -> None:
        told.once(line, **_memory(**{name: mebibytes(found[1])}))

    return take


def _size(told: Told, found: re.Match[str], line: Line) -> None:
    value = number(found[1])
    told.once(line, model_size_bytes=None if value is None else round(value * 1e6))


def _applied(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    # The word was once misspelt.
    took = Took.ALL if found[2] == "completely" else Took.PART
    told.extend(applied=Applied(found[1], took, int(found[3]) if found[3] else None))


def _not_applied(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.extend(applied=Applied(found[1], Took.NOTHING))


def _replaced(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    total = int(found[2]) if found[2] else None
    where = found[5] or ""
    told.extend(replaced=Replaced(found[3], int(found[1]), total, int(found[4]), where))


def _created(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.extend(created=found[1] or found[2])


def _absent(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.extend(absent=found[1])


def _divided(told: Told, found: re.Match[str], line: Line) -> None:
    told.refusing = False
    told.once(line, gpu_operations=int(found[1]), cpu_operations=int(found[2]))
    told.delegates = replace(told.delegates, gpu_operations=int(found[1]), cpu_operations=int(found[2]))


def _none_on_gpu(told: Told, found: re.Match[str], line: Line) -> None:
    told.refusing = False
    told.once(line, gpu_operations=0, cpu_operations=int(found[1]))
    told.delegates = replace(told.delegates, gpu_operations=0, cpu_operations=int(found[1]))


def _refusing(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.refusing = True


def _unsupported(told: Told, found: re.Match[str], line: Line) -> None:
    if told.refusing:
        told.extend(refused=(found[1], found[2]))
    elif line.level in ("ERROR", "FATAL"):
        told.errors[found[0]] = None


def _signature(told: Told, found: re.Match[str], line: Line) -> None:
    told.once(line, signature=found[1] or None)


def _unconsumed(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.unconsumed.update(dict.fromkeys(found[1].split()))


def _threads(told: Told, found: re.Match[str], line: Line) -> None:
    told.once(line, threads=int(found[1]))


def _graph(told: Told, found: re.Match[str], line: Line) -> None:
    told.once(line, graph=found[1])


def _litert(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.tool = Tool.LITERT


def _python(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.tool = Tool.PYTHON


def _named(told: Told, found: re.Match[str], line: Line) -> None:
    told.once(line, **{f"block:{found[1]}": found[0]})
    told.block[found[1]] = (found[2], found[4])
    if line.source.endswith("benchmark_litert_model.h"):
        told.tool = Tool.LITERT


def _rule(begin: str, rest: str, take: Take, *, must: bool = True) -> Rule:
    """Return a rule: a line that begins with ``begin`` goes on with ``rest``."""
    return Rule(re.compile(begin), re.compile(begin + rest), take, must)


_N = f"({NUMBER})"
#: Once, a listener put what it knew of memory right behind the last figure.
_TAIL = r"(?: *Overall .*)?"
_FIGURE = (
    r"(Model initialization|Warmup \((?:first|avg)\)|Inference \((?:avg|min|max|std|median|p5|p95)\)|"
    r"Throughput|Init footprint|Overall footprint|Peak memory|Fully accelerated):"
)
RULES: tuple[Rule, ...] = (
    _rule(r"count=", r".*", _statistics),
    _rule(
        r"Inference timings in us: ",
        rf"Init: {_N}, First inference: {_N}, Warmup \(avg\): {_N}, Inference \(avg\): {_N}{_TAIL}",
        _timings,
    ),
    _rule(
        r"Average inference timings in us: (?=Warmup)",
        rf"Warmup: {_N}, Init: {_N}, (?:no stats|Inference): {_N}{_TAIL}",
        _old_timings,
    ),
    _rule(r"Average inference timings in us: ", rf"{_N} ?, Warmup: {_N},?", _oldest_timings),
    _rule(r"Initialized session in ", rf"{_N} ?(ms|s)\.?", _session),
    _rule(
        r"(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): ",
        rf"init=\s*{_N} overall=\s*{_N}",
        _growth,
    ),
    _rule(r"Overall peak memory footprint \(MB\) via periodic monitoring: ", _N, _peak),
    _rule(r"- VmRSS +: ", r"(\d+) MB", _at_end("end_rss_bytes")),
    _rule(r"\+ RssAnn?on +: ", r"(\d+) MB", _at_end("end_anonymous_bytes")),
    _rule(r"\+ RssFile \+ RssShmem +: ", r"(\d+) MB", _at_end("end_file_bytes")),
    _rule(r"The input model file size \(MB\): ", _N, _size),
    _rule(
        r"(?:Explicitly a|A)pplied (?=\S+ delegate, )",
        r"(\S+) delegate, and the model graph will be (completely|partially|paritally) executed (?:by|w/) the delegate"
        r"(?: w/ (\d+) delegate kernels)?\.?",
        _applied,
    ),
    _rule(
        r"Though (?=\S+ delegate is )",
        r"(\S+) delegate is (?:explicitly )?applied, the model graph will not be executed by the delegate\.?",
        _not_applied,
    ),
    _rule(
        r"Replacing (?=\d)",
        r"(\d+)(?: out of (\d+))? node\(s\) with delegate \(([^)]+)\) node, yielding (\d+) partitions?"
        r"(?: for (.*?))?\.?",
        _replaced,
    ),
    _rule(
        r"Created TensorFlow Lite (?=(?:\S+ )?delegate for)", r"(?:(\S+) )?delegate for (\S+?)\.?", _created, must=False
    ),
    _rule(r"(?=\S+ acceleration is unsupported on this platform)", r"(\S+) acceleration .*", _absent, must=False),
    _rule(
        r"(?=(?:First )?\d+ operations will run on the GPU)",
        r"(?:First )?(\d+) operations will run on the GPU, and the remaining (\d+)(?: operations will run)?"
        r" on the CPU\.?",
        _divided,
        must=False,
    ),
    _rule(
        r"No operations will run on the GPU",
        r", and all (\d+) operations will run on the CPU\.?",
        _none_on_gpu,
        must=False,
    ),
    _rule(r"(?:Following|Next) operations are not supported by GPU delegate", r".*", _refusing),
    _rule(r"(?=[A-Z][A-Z0-9_]+(?: \S+)?: \S)", r"([A-Z][A-Z0-9_]+(?: \S+)?): (.*)", _unsupported),
    _rule(r"Unconsumed cmdline flags: ", r"(.*)", _unconsumed),
    _rule(r"(?=Num threads: \[-?\d+\]$)", r"Num threads: \[(-?\d+)\]", _threads),
    _rule(r"(?=Graph: \[.*\]$)", r"Graph: \[(.*)\]", _graph),
    _rule(r"(?==+ BENCHMARK RESULTS =+$)", r".*", _litert),
    _rule(r"(?=BENCHMARK RESULTS$)", r".*", _python),
    _rule(r"Signature name:", r"\s*(.*)", _signature),
    _rule(_FIGURE, rf"\s+({NUMBER}|(?i:true|false))(?: (ms|MB/s|MB))?(?: \((\d+) runs?\))?", _named),
)
