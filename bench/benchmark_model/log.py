"""Reads what ``benchmark_model`` wrote, of whatever age, on whatever way it came here.

Lines that are nothing to us are passed over. A line that begins like a result and cannot be read is an error that
quotes it, and so are two results where there can be one: a figure is right, or it is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ProtocolError
from .figures import BenchmarkLog, Footprint, Statistics, Tool
from .lines import Line, lines_of
from .numbers import mebibytes, milliseconds
from .op_profile import ProfileReader
from .rules import RULES, Told

#: The last line tells an average of the statistics lines again: 6 digits of it, or whole microseconds.
_SAME_AVERAGE, _SAME_NS = 1e-3, 1_000.0
_GAVE_UP = "Benchmarking failed."
_FAILED = (_GAVE_UP, "Disallowed CPU fallback detected.", "Please specify the name of your TF Lite")
#: What shells, the loader and the language's runtime say for a tool that cannot any more.
_CRASHED = re.compile(
    r"(?:Segmentation fault|Aborted|Bus error|Illegal instruction|Killed)(?: \(core dumped\))?$|"
    r"terminate called |what\(\): |libc\+\+abi: |CANNOT LINK EXECUTABLE "
)
#: What the oldest builds say without a level.
_FAILED_BARE = ("Failed to ", "Could not ", "Couldn't ")
#: What a result begins with, where something of another origin stands before it: half a line of another stream, a
#: prompt, the prefix of a logger that is not known here.
_WITHIN = re.compile(
    r"(?:(?<!s\): )count=\d+ (?:first|curr)=|(?:Average i|I)nference timings in us: (?:Init|Warmup|\d)|"
    r"Initialized session in \d|Memory footprint delta from the start|Overall peak memory footprint \(MB\) via|"
    r"The input model file size \(MB\): \d|"
    r"Explicitly applied \S{1,40} delegate, |Though \S{1,40} delegate is explicitly|Replacing \d+ (?:out of \d+ )?node|"
    r"Unconsumed cmdline flags: )"
)
#: What belongs to tables of a profile.
_NOT_WITHIN = "Timings (microseconds): "
#: The rest of a line that a terminal's width broke within a number or before one.
_REST = re.compile(r"\.?\d[\d.e+]{0,20}(?: (?:p5|median|p95)=.{0,200})?|(?:p5|median|p95|overall)=\d.{0,200}")
_LARGEST = 1e15
_SAME_IN_BLOCK_NS = 10_000.0
#: What runtimes in other apps do not say.
_OF_THE_TOOL = re.compile(
    r"STARTING!|Log parameter values|Min num runs: \[|Num threads: \[|Graph: \[|The input model file size|"
    r"Initialized session in|Running benchmark for|count=\d|(?:Average i|I)nference timings in us"
)
_OF_LITERT = "benchmark_litert_model.h"
_TABLE_OF_RUNS = re.compile(
    r".*Summary of All Runs w/ Different Performance Options|"
    r"(?:cpu w/ |gpu\b|nnapi\b|dsp w/ |coreml\b)[^:]{0,80}: (?:count=\d|failed!)"
)


def parse_log(text: str) -> BenchmarkLog:
    """Return what a log says: of the classic tool in all its generations, of LiteRT's, or of LiteRT's in Python.

    Raises:
        ProtocolError: there is no result in it, a line is not understood, or it is of more than one run.
    """
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _from_json(text)
    reader = _Reader(text)
    for line in _of_the_tool(list(lines_of(text))):
        reader.read(line)
    return reader.result()


def _of_the_tool(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines without those of other apps, whose runtimes write to Android's log by the same name.

    Raises:
        ProtocolError: two processes of the tool wrote to it.
    """
    first: dict[str, Line] = {}
    for line in lines:
        if line.process and (_OF_THE_TOOL.match(line.text) or line.source.endswith(_OF_LITERT)):
            first.setdefault(line.process, line)
    if len(first) > 1:
        one, other = [line.quoted for line in first.values()][:2]
        raise ProtocolError(f"more than one run in this log: {one}, then {other} of another process")
    return (line for line in lines if not (first and line.process) or line.process in first)


class _Reader:
    """Collects what lines say."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._told = Told()
        self._profile = ProfileReader()
        self._after_number = 0

    def read(self, line: Line) -> None:
        """Take one line."""
        text = line.text.strip()
        if _TABLE_OF_RUNS.match(text):
            raise ProtocolError(f"more than one run in this log, {line.quoted}")
        within = None if _NOT_WITHIN in text else _WITHIN.search(text)
        if within is not None and within.start():
            line = replace(line, text=text[within.start() :].rstrip("`"))
        if line.number == self._after_number and _REST.fullmatch(text):
            raise ProtocolError(f"this is the rest of the line before it, which was broken: {line.quoted}")
        if self._profile.begun and text.startswith("count="):
            # The tool tells its profile last of all.
            raise ProtocolError(f"this is the rest of a broken line or of another run: {line.quoted}")
        if self._obeys_rule(line):
            self._after_number = line.number + 1 if text[-1:].isdigit() else 0
            return
        if self._profile.takes(line):
            return
        if _is_failure(line, text):
            self._told.errors[text] = None

    def _obeys_rule(self, line: Line) -> bool:
        """Return whether the line means something to us, and take it."""
        text = line.text.strip()
        rule = next((rule for rule in RULES if rule.begin.match(text)), None)
        if rule is None:
            return False
        found = rule.whole.fullmatch(text)
        if found is not None:
            rule.take(self._told, found, line)
        elif rule.must:
            raise ProtocolError(f"not understood, {line.quoted}")
        return found is not None

    def result(self) -> BenchmarkLog:
        """Return what all lines together say."""
        told = self._told
        block = _Block(told)
        block.check()
        if _GAVE_UP in told.errors and (told.get("measured_mean_ns") is not None or block.measured is not None):
            raise ProtocolError("more than one run in this log: one that failed, and one with an average of its runs")
        warmup, measured = _phases(told, block)
        init_ns = told.get("init_ns")
        first_ns = told.get("first_inference_ns")
        log = BenchmarkLog(
            text=self._text,
            tool=told.tool,
            warmup=warmup,
            measured=measured,
            init_ns=block.init_ns if init_ns is None else init_ns,
            first_inference_ns=_first_inference(warmup, first_ns),
            model_size_bytes=told.get("model_size_bytes"),
            threads=told.get("threads"),
            graph=told.get("graph"),
            signature=told.get("signature"),
            fully_accelerated=block.fully_accelerated,
            footprint=_footprint(told, block),
            delegates=told.delegates,
            profile=self._profile.parts,
            unconsumed=tuple(told.unconsumed),
            errors=tuple(told.errors),
        )
        if log == BenchmarkLog(self._text):
            raise ProtocolError(f"this is no log of benchmark_model: it ends with {_last_words(self._text)!r}")
        return log


def _is_failure(line: Line, text: str) -> bool:
    return (
        line.level in ("ERROR", "FATAL")
        or text.startswith(_FAILED)
        or _CRASHED.match(text) is not None
        or (line.level is None and text.startswith(_FAILED_BARE))
    )


@dataclass(frozen=True)
class _Block:
    """The block of named figures that LiteRT's tools end with, rounded to hundredths of a millisecond."""

    told: Told

    def text(self, name: str) -> str | None:
        """Return a figure as it stands there."""
        found = self.told.block.get(name)
        return None if found is None else found[0]

    def ns(self, name: str) -> float | None:
        """Return a time."""
        return milliseconds(self.text(name))

    def bytes(self, name: str) -> int | None:
        """Return memory."""
        found = self.text(name)
        return None if found is None else mebibytes(found)

    def runs(self, name: str) -> int | None:
        """Return the runs that a figure is of."""
        found = self.told.block.get(name)
        return None if found is None or found[1] is None else int(found[1])

    def check(self) -> None:
        """Raise ProtocolError where digits were lost or won: an average is between the extremes."""
        mean_ns = self.ns("Inference (avg)")
        low_ns, high_ns = self.ns("Inference (min)"), self.ns("Inference (max)")
        if self.runs("Inference (avg)") == 0 or mean_ns is None:
            return
        slack_ns = _SAME_IN_BLOCK_NS  # each is rounded for itself
        if (low_ns or 0.0) > mean_ns + slack_ns or (high_ns is not None and mean_ns > high_ns + slack_ns):
            raise ProtocolError(
                f"Inference (avg) is {mean_ns / 1e6:g} ms in this log, but that is not between (min) and (max)"
            )

    @property
    def init_ns(self) -> float | None:
        """The time until the model could be run."""
        return self.ns("Model initialization")

    @property
    def fully_accelerated(self) -> bool | None:
        """Whether delegates took every node, whatever they ran on."""
        found = self.text("Fully accelerated")
        return None if found is None else found.lower() == "true"

    @property
    def warmup(self) -> Statistics | None:
        """The statistics of warm-up."""
        mean_ns = self.ns("Warmup (avg)")
        first_ns = self.ns("Warmup (first)")
        count = self.runs("Warmup (avg)")
        if count == 0:
            return Statistics(0)
        if mean_ns is None and first_ns is None:
            return None
        return Statistics(count, first_ns=first_ns, mean_ns=mean_ns)

    @property
    def measured(self) -> Statistics | None:
        """The statistics of what was measured."""
        mean_ns, count = self.ns("Inference (avg)"), self.runs("Inference (avg)")
        if count == 0:
            return Statistics(0)
        if mean_ns is None:
            return None
        return Statistics(
            count=count,
            min_ns=self.ns("Inference (min)"),
            max_ns=self.ns("Inference (max)"),
            mean_ns=mean_ns,
            stdev_ns=self.ns("Inference (std)"),
            p5_ns=self.ns("Inference (p5)"),
            median_ns=self.ns("Inference (median)"),
            p95_ns=self.ns("Inference (p95)"),
        )


def _footprint(told: Told, block: _Block) -> Footprint:
    rounded = Footprint(block.bytes("Init footprint"), block.bytes("Overall footprint"), block.bytes("Peak memory"))
    return replace(rounded, **told.footprint())


def _phases(told: Told, block: _Block) -> tuple[Statistics | None, Statistics | None]:
    """Return the statistics of warm-up and of what was measured, as far as the log goes."""
    found = _each_once(told)
    warmup_ns, measured_ns = told.get("warmup_mean_ns"), told.get("measured_mean_ns")
    ended = measured_ns is not None or block.measured is not None
    if len(found) > 2:
        raise ProtocolError(f"more than one run in this log: {found[0][1].quoted}, then {found[2][1].quoted}")
    if len(found) == 2 and (ended or told.measuring or found[0][0] != found[1][0]):
        _check_average(found[0], warmup_ns, block.warmup)
        _check_average(found[1], measured_ns, block.measured)
        return found[0][0], found[1][0]
    if not found:
        warmup = None if warmup_ns is None else Statistics(first_ns=told.get("first_inference_ns"), mean_ns=warmup_ns)
        measured = None if measured_ns is None else Statistics(mean_ns=measured_ns)
        return warmup or block.warmup, measured or block.measured
    only, _ = found[0]
    if not ended:
        return (None, only) if told.measuring else (only, None)
    # An excerpt, with one of the two lines.
    of_measured = (
        _alike(only.mean_ns, measured_ns)
        if measured_ns is not None
        else (block.measured is not None and block.measured.count == only.count)
    )
    if of_measured:
        return (Statistics(mean_ns=warmup_ns) if warmup_ns is not None else block.warmup), only
    return only, Statistics(mean_ns=measured_ns) if measured_ns is not None else block.measured


def _each_once(told: Told) -> list[tuple[Statistics, Line]]:
    """Return the statistics lines without those that a second sink of the same logger has written again."""
    found = told.statistics
    if len(found) <= 2:
        return found
    once = [item for place, item in enumerate(found) if not place or item[0] != found[place - 1][0]]
    if len(once) == 1:  # both phases alike, or one phase several times: how the log ends tells which
        return found[:2]
    half = len(once) // 2
    if len(once) == 2 * half and [item[0] for item in once[:half]] == [item[0] for item in once[half:]]:
        return once[:half]
    return once


def _check_average(found: tuple[Statistics, Line], mean_ns: float | None, block: Statistics | None) -> None:
    """Raise ProtocolError where the statistics are not those that the log's end sums up."""
    statistics, line = found
    if statistics.mean_ns is None:
        return
    if mean_ns is not None and not _alike(statistics.mean_ns, mean_ns):
        raise ProtocolError(
            f"more than one run in this log: its last average is {mean_ns / 1000:g} us, but {line.quoted}"
        )
    rounded_ns = None if block is None else block.mean_ns
    if rounded_ns is not None and abs(rounded_ns - statistics.mean_ns) > max(
        _SAME_IN_BLOCK_NS, _SAME_AVERAGE * rounded_ns
    ):
        raise ProtocolError(
            f"more than one run in this log: its last average is {rounded_ns / 1e6:g} ms, but {line.quoted}"
        )
    if block is not None and block.count not in (None, statistics.count):
        raise ProtocolError(
            f"more than one run in this log: at its end it tells of {block.count} runs, but {line.quoted}"
        )


def _alike(one_ns: float | None, other_ns: float | None) -> bool:
    if one_ns is None or other_ns is None:
        return False
    return abs(one_ns - other_ns) <= max(_SAME_NS, _SAME_AVERAGE * other_ns)


def _first_inference(warmup: Statistics | None, first_ns: float | None) -> float | None:
    """Return the first run of all: a warm-up run. Without warm-up the tool tells something else by that name."""
    if warmup is None:
        return first_ns
    if warmup.count == 0:
        return None
    return warmup.first_ns if first_ns is None else first_ns


def _last_words(text: str) -> str:
    said = [line.strip() for line in text.split("\n") if line.strip()]
    return said[-1][:200] if said else ""


def _from_json(text: str) -> BenchmarkLog:
    """Return what ``--result_json`` of LiteRT's tool in Python holds."""
    try:
        data: Any = json.loads(text.strip("\ufeff"))
        latency = data["latency"]
        times = {name.removesuffix("_ms"): _ms(value) for name, value in latency.items() if name.endswith("_ms")}
        warmups, runs = _whole(latency["num_warmup_runs"]), _whole(latency["num_runs"])
        return BenchmarkLog(
            text=text,
            tool=Tool.PYTHON,
            warmup=Statistics(warmups, first_ns=times["warmup_first"], mean_ns=times["warmup_avg"])
            if warmups
            else Statistics(0),
            measured=Statistics(
                count=runs,
                min_ns=times["min"],
                max_ns=times["max"],
                mean_ns=times["avg"],
                stdev_ns=times.get("std"),
                p5_ns=times.get("p5"),
                median_ns=times.get("median"),
                p95_ns=times.get("p95"),
            )
            if runs
            else Statistics(0),
            init_ns=times.get("init"),
            first_inference_ns=times["warmup_first"] if warmups else None,
            model_size_bytes=round(_positive(data["model_size_mb"]) * 1e6) if data.get("model_size_mb") else None,
            threads=None if data.get("num_threads") is None else _whole(data["num_threads"]),
            graph=_told_as(str, data, "model"),
            signature=_told_as(str, data, "signature"),
            fully_accelerated=_told_as(bool, data, "fully_accelerated"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"this is no result of litert-benchmark: {error!r:.200}") from error


def _positive(value: object) -> float:
    """Return a number of a result. Raises ValueError where it is none, or no run can have it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LARGEST:
        raise ValueError(f"{value!r:.40} is no time, size or count")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r:.40} is no count")
    return int(_positive(value))


def _told_as(kind: type, data: dict[str, Any], name: str) -> Any:
    value = data.get(name)
    return value if isinstance(value, kind) else None


def _ms(value: object) -> float:
    return round(_positive(value) * 1e6, 3)
