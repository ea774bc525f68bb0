"""What single lines of a log mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ProtocolError
from .figures import Applied, Delegates, Replaced, Statistics, Took, Tool
from .lines import Line
from .numbers import COUNT, NUMBER, UNSIGNED, mebibytes, milliseconds, nanoseconds, number, statistics_of

_FOOTPRINT = "footprint:"


@dataclass
class Told:
    """What the lines of a log told so far.

    ``block`` has LiteRT's named figures with the runs that they are of. ``refusing``: the lines that come are about
    operators that the GPU delegate does not support. ``phases`` are the announcements of warm-up and measured runs,
    ``measuring`` whether the last statistics came after the second one.
    """

    tool: Tool = Tool.CLASSIC
    statistics: list[tuple[Statistics, Line]] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    block: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    unconsumed: dict[str, None] = field(default_factory=dict)
    errors: dict[str, None] = field(default_factory=dict)
    refusing: bool = False
    measuring: bool = False
    _ended: bool = False
    _lists: dict[str, dict[Any, None]] = field(default_factory=dict)
    _once: dict[str, tuple[Any, Line]] = field(default_factory=dict)

    def once(self, line: Line, **fields: Any) -> None:
        """Keep figures of which a run tells one; the same again, as a second sink writes it, is nothing new."""
        for name, value in fields.items():
            known = self._once.setdefault(name, (value, line))
            if known[0] != value:
                raise ProtocolError(f"more than one run in this log: {known[1].quoted}, then {line.quoted}")

    def refine(self, **fields: Any) -> None:
        """Keep figures that have more digits than what was told before."""
        self._once.update({name: (value, self._once[name][1]) for name, value in fields.items()})

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
        for name, item in more.items():
            self._lists.setdefault(name, {})[item] = None

    @property
    def delegates(self) -> Delegates:
        """What was said of delegates."""
        lists: dict[str, tuple[Any, ...]] = {name: tuple(items) for name, items in self._lists.items()}
        replaced = _with_declared(lists.pop("replaced", ()), lists.pop("declared", ()))
        divided = lists.pop("divided", ())  # a line for each subgraph
        return Delegates(
            **lists,
            replaced=replaced,
            gpu_operations=sum(gpu for gpu, _ in divided) if divided else None,
            cpu_operations=sum(cpu for _, cpu in divided) if divided else None,
        )

    def begin(self, announced: str) -> None:
        """Take the announcement of a phase; the same again before its statistics is a second sink's."""
        if not self.phases or self._ended or announced != self.phases[-1]:
            self.phases.append(announced)
        self._ended = False

    def end(self, statistics: Statistics, line: Line) -> None:
        """Take the statistics of a phase."""
        self.statistics.append((statistics, line))
        self.measuring, self._ended = len(self.phases) > 1, True


def _with_declared(replaced: Sequence[Replaced], declared: Sequence[Replaced]) -> tuple[Replaced, ...]:
    """Return what the runtime replaced, with what delegates themselves say where it does not tell it."""
    totals = {(item.delegate, item.nodes): item.total for item in declared}
    known = [
        replace(item, total=totals.get((item.delegate, item.nodes))) if item.total is None else item
        for item in replaced
    ]
    if any("XNNPack" not in item.delegate for item in known):
        return tuple(known)
    return (*known, *declared)


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
    told.end(statistics, line)


def _timings(told: Told, found: re.Match[str], line: Line) -> None:
    init, first, warmup, measured = map(nanoseconds, found.groups())
    told.once(line, first_inference_ns=first, warmup_mean_ns=warmup, measured_mean_ns=measured)
    _init(told, init, line, whole=True)


def _old_timings(told: Told, found: re.Match[str], line: Line) -> None:
    warmup, init, measured = map(nanoseconds, found.groups())
    told.once(line, warmup_mean_ns=warmup, measured_mean_ns=measured)
    _init(told, init, line, whole=True)


def _oldest_timings(told: Told, found: re.Match[str], line: Line) -> None:
    measured, warmup = map(nanoseconds, found.groups())
    told.once(line, warmup_mean_ns=warmup, measured_mean_ns=measured)


def _session(told: Told, found: re.Match[str], line: Line) -> None:
    ns = milliseconds(found[1])
    _init(told, ns if ns is None or found[2] == "ms" else 1000 * ns, line)


def _init(told: Told, ns: float | None, line: Line, *, whole: bool = False) -> None:
    """Keep the time of initialisation. Of two lines one has whole microseconds, and the other six digits."""
    known = told.get("init_ns")
    if known is None or ns is None or abs(known - ns) > max(1_000.0, 1e-5 * known):
        told.once(line, init_ns=ns)
    elif whole:
        told.refine(init_ns=ns)


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
    told.once(line, model_size_bytes=None if value is None or value <= 0 else round(value * 1e6))


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


def _declared(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.extend(declared=Replaced(found[1], int(found[2]), int(found[3]), int(found[4])))


def _phase(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.begin(found[0])


def _created(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.extend(created=found[1] or found[2])


def _absent(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.extend(absent=found[1])


def _divided(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.refusing = False
    told.extend(divided=(int(found[1]), int(found[2])))
    if found[3]:  # the oldest builds put nothing between one message and the next
        told.errors[found[3].strip()] = None


def _none_on_gpu(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.refusing = False
    told.extend(divided=(0, int(found[1])))


def _refusing(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.refusing = True


def _unsupported(told: Told, found: re.Match[str], line: Line) -> None:
    if told.refusing:
        told.extend(refused=(found[1], found[2] or ""))  # it does not always have a reason
    elif line.level in ("ERROR", "FATAL"):
        told.errors[found[0]] = None


def _signature(told: Told, found: re.Match[str], line: Line) -> None:
    told.once(line, signature=found[1] or None)


def _unconsumed(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.unconsumed.update(dict.fromkeys(found[1].split()))


def _threads(told: Told, found: re.Match[str], line: Line) -> None:
    told.once(line, threads=int(found[1]))


def _graph(told: Told, found: re.Match[str], line: Line) -> None:
    told.once(line, graph=found[1] or None)


def _litert(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.tool = Tool.LITERT


def _python(told: Told, found: re.Match[str], line: Line) -> None:  # noqa: ARG001
    told.tool = Tool.PYTHON


def _named(told: Told, found: re.Match[str], line: Line) -> None:
    name = found["name"]
    told.once(line, **{f"block:{name}": found[0]})
    told.block[name] = (found["value"], found.groupdict().get("runs"))
    if line.source.endswith("benchmark_litert_model.h"):
        told.tool = Tool.LITERT


def _rule(begin: str, rest: str, take: Take, *, must: bool = True) -> Rule:
    """Return a rule: a line that begins with ``begin`` goes on with ``rest``."""
    return Rule(re.compile(begin), re.compile(begin + rest), take, must)


_N, _T, _I = f"({NUMBER})", f"({UNSIGNED})", f"({COUNT})"
#: Once, a listener put what it knew of memory right behind the last figure.
_TAIL = r"(?: *Overall .*)?"
_TIME = r"(?P<name>Model initialization|Warmup \((?:first|avg)\)|Inference \((?:avg|min|max|median|p5|p95)\)):"
_SIZE = r"(?P<name>Init footprint|Overall footprint|Peak memory):"
RULES: tuple[Rule, ...] = (
    _rule(r"count=", r".*", _statistics),
    _rule(
        r"Inference timings in us: ",
        rf"Init: {_T}, First inference: {_T}, Warmup \(avg\): {_T}, Inference \(avg\): {_T}{_TAIL}",
        _timings,
    ),
    _rule(
        r"Average inference timings in us: (?=Warmup)",
        rf"Warmup: {_T}, Init: {_T}, (?:no stats|Inference): {_T}{_TAIL}",
        _old_timings,
    ),
    _rule(r"Average inference timings in us: ", rf"{_T} ?, Warmup: {_T},?", _oldest_timings),
    _rule(r"Initialized session in ", rf"{_T} ?(ms|s)\.?", _session),
    _rule(
        r"(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): ",
        rf"init=\s*{_N} overall=\s*{_N}",
        _growth,
    ),
    _rule(r"Overall peak memory footprint \(MB\) via periodic monitoring: ", _T, _peak),
    _rule(r"- VmRSS +: ", f"{_I} MB", _at_end("end_rss_bytes")),
    _rule(r"\+ RssAnn?on +: ", f"{_I} MB", _at_end("end_anonymous_bytes")),
    _rule(r"\+ RssFile \+ RssShmem +: ", f"{_I} MB", _at_end("end_file_bytes")),
    _rule(r"The input model file size \(MB\): ", _N, _size),
    _rule(
        r"(?:Explicitly a|A)pplied (?=\S+ delegate, )",
        r"(\S+) delegate, and the model graph will be (completely|partially|paritally) executed (?:by|w/) the delegate"
        r"(?: w/ ([0-9]{1,15}) delegate kernels)?\.?",
        _applied,
    ),
    _rule(
        r"Though (?=\S+ delegate is )",
        r"(\S+) delegate is (?:explicitly )?applied, the model graph will not be executed by the delegate\.?",
        _not_applied,
    ),
    _rule(
        r"Replacing (?=\d)",
        rf"{_I}(?: out of {_I})? node\(s\) with delegate \((.+?)\) node, yielding {_I} partitions?"
        r"(?: for (.*?))?\.?",
        _replaced,
    ),
    _rule(
        r"Created TensorFlow Lite (?=(?:\S+ )?delegate for)", r"(?:(\S+) )?delegate for (\S+?)\.?", _created, must=False
    ),
    _rule(r"(?=\S+ acceleration is unsupported on this platform)", r"(\S+) acceleration .*", _absent, must=False),
    _rule(
        r"(?=(?:First )?\d+ operations will run on the GPU)",
        rf"(?:First )?{_I} operations will run on the GPU, and the remaining {_I}(?: operations will run)?"
        r" on the CPU(?:\.(.*))?",
        _divided,
        must=False,
    ),
    _rule(
        r"No operations will run on the GPU",
        rf", and all {_I} operations will run on the CPU\.?",
        _none_on_gpu,
        must=False,
    ),
    _rule(r"(?:Following|Next) operations are not supported by GPU delegate", r".*", _refusing),
    _rule(r"(?=[A-Z][A-Z0-9_]+(?: \S+)?:(?: |$))", r"([A-Z][A-Z0-9_]+(?: \S+)?):(?: (.*))?", _unsupported),
    _rule(r"Unconsumed cmdline flags: ", r"(.*)", _unconsumed),
    _rule(r"(?=Num threads: \[-?\d+\]$)", rf"Num threads: \[(-?{COUNT})\]", _threads),
    _rule(r"Running benchmark for (?=at least |\d)", r".*", _phase),
    _rule(
        r"(?=\S.{0,60}: \d+ nodes delegated out of )",
        rf"(?:\[.{{1,40}}\] )?(\S+)(?: delegate)?: {_I} nodes delegated out of {_I} nodes,? with {_I} partitions\.?",
        _declared,
        must=False,
    ),
    _rule(r"(?=Graph: \[.*\]$)", r"Graph: \[(.*)\]", _graph),
    _rule(r"(?==+ BENCHMARK RESULTS =+$)", r".*", _litert),
    _rule(r"(?=BENCHMARK RESULTS$)", r".*", _python),
    _rule(r"Signature name:", r"\s*(.*)", _signature),
    _rule(_TIME, rf"\s{{1,40}}(?P<value>{UNSIGNED}) ms(?: \((?P<runs>{COUNT}) runs?\))?", _named),
    _rule(r"(?P<name>Inference \(std\)):", rf"\s{{1,40}}(?P<value>{UNSIGNED})(?: ms)?", _named),
    _rule(_SIZE, rf"\s{{1,40}}(?P<value>{NUMBER}) MB", _named),
    _rule(r"(?P<name>Throughput):", rf"\s{{1,40}}(?P<value>{NUMBER}) MB/s", _named, must=False),
    _rule(r"(?P<name>Fully accelerated):", r"\s{1,40}(?P<value>(?i:true|false))", _named),
)
