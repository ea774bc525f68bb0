"""What the entries of a journal mean: from a run under way to entries, and back.

========  =====================================================================================================
entry     content
========  =====================================================================================================
header    what was asked for and what it was to run on: always the first
resumed   somebody went on with the run
planned   a device that could not be reached at first: what is measured there
case      a case's result after a phase; once, how its images are made, and its scores
groups    which cases take turns
block     a group's finished block: each case's bursts, starts, and states of the machine
timing    timing is finished: all results as they were summarised
lost      the connection to the device was lost, in words
done      nothing is left to measure on the device: written where there are several
========  =====================================================================================================

From ``planned`` on, each entry is about one device, and says which.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from .analysis.cooling import BlockCooling
from .device_record import block_reading
from .evaluation import Evaluator, Reading
from .observer import Observer, Timed
from .outcome import Outcome
from .readings import Reading as DeviceReading
from .records import CaseResult, Environment, Failure, Preprocessing, RuntimeInfo
from .rounds import Burst
from .session import Samples
from .spec import Spec
from .store import strict_converter
from .worker.protocol import decode_array, encode_array

#: Grows with every change that an older edgebench would misread.
FORMAT_VERSION = 2

Entry = Mapping[str, Any]
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class PlannedCase:
    """What a case was to run: enough to see that it still would. ``card`` is its card's digest, None without one."""

    case_id: str
    path: str
    sha256: str
    python: str
    card: str | None = None


@dataclass(frozen=True)
class PlannedDevice:
    """What was to run on a device. ``environment`` is None where it could not be reached: then its cases are a guess.

    ``runtimes`` maps each Python's path to its runtime; ``before`` is its state then.
    """

    name: str
    environment: Environment | None
    cases: tuple[PlannedCase, ...]
    runtimes: Mapping[str, RuntimeInfo]
    before: DeviceReading | None = None


@dataclass(frozen=True)
class Header:
    """What a run was to measure, and on what. ``images`` is the fingerprint of the images, None without them.

    ``folder`` is where relative paths began.
    """

    run_id: str
    created_utc: str
    edgebench: str
    schema_version: int
    folder: str
    spec: Spec
    devices: tuple[PlannedDevice, ...]
    images: str | None = None
    format_version: int = FORMAT_VERSION


def header_entry(header: Header) -> dict[str, Any]:
    """Return the first entry of a journal."""
    return {"kind": "header", **dataclasses.asdict(header)}


def resumed_entry(moment: str) -> dict[str, Any]:
    """Return the entry that says when somebody went on."""
    return {"kind": "resumed", "at_utc": moment}


def planned_entry(planned: PlannedDevice) -> dict[str, Any]:
    """Return the entry that says what is measured on a device that could not be reached at first."""
    return {"kind": "planned", "planned": dataclasses.asdict(planned)}


def lost_entry(line: str) -> dict[str, Any]:
    """Return the entry that says that the connection was lost, and made again."""
    return {"kind": "lost", "line": line}


def done_entry() -> dict[str, Any]:
    """Return the entry that says that nothing is left to measure on a device."""
    return {"kind": "done"}


def structured(data: Any, kind: type[Kind]) -> Kind:
    """Return a dataclass from what was journalled. Raises ValueError where it does not fit."""
    import cattrs

    try:
        return strict_converter().structure(data, kind)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(cattrs.transform_error(error)[:2])) from error


class Journalled(Protocol):
    """What entries are written into."""

    def append(self, entry: Entry) -> None:
        """Write one entry."""


class JournalObserver(Observer):
    """Writes down everything that becomes final."""

    def __init__(self, journal: Journalled, outcomes: Iterable[Outcome]) -> None:
        """``outcomes`` are as they stand in the journal: new, or restored from it."""
        self._journal = journal
        self._written = {outcome.case.case_id: _Written.of(outcome) for outcome in outcomes}

    def case_done(self, phase: str, outcome: Outcome) -> None:
        written = self._written[outcome.case.case_id]
        entry: dict[str, Any] = {"kind": "case", "phase": phase, "result": dataclasses.asdict(outcome.result)}
        if outcome.reading is not None and not written.reading:
            entry["reading"] = _reading_entry(outcome.reading)
            written.reading = True
        if outcome.scored is not None and not written.scored:
            entry["scores"] = encode_array(outcome.scored.scores)
            if outcome.scored.validation is not None:
                entry["validation_scores"] = encode_array(outcome.scored.validation.scores)
            written.scored = True
        if outcome.raw_log:
            entry["raw_log"] = outcome.raw_log
        self._journal.append(entry)

    def groups_made(self, groups: Sequence[Sequence[Outcome]]) -> None:
        listed = [[outcome.case.case_id for outcome in group] for group in groups]
        self._journal.append({"kind": "groups", "groups": listed})

    def block_done(self, block: int, spent_ns: int, members: Sequence[Outcome]) -> None:
        cases = {outcome.case.case_id: self._block_part(block, outcome) for outcome in members}
        self._journal.append({"kind": "block", "block": block, "spent_ns": spent_ns, "cases": cases})

    def timing_done(self, outcomes: Sequence[Outcome]) -> None:
        self._journal.append({"kind": "timing", "results": [dataclasses.asdict(item.result) for item in outcomes]})

    def _block_part(self, block: int, outcome: Outcome) -> dict[str, Any]:
        written = self._written[outcome.case.case_id]
        part = {
            "bursts": [_burst_entry(burst) for burst in outcome.log.bursts if burst.block == block],
            "unsettled": block in outcome.log.unsettled_blocks,
            "starts": outcome.starts[written.starts :],
            "states": outcome.states[written.states :],
            "machine": None if written.machine else outcome.machine,
            "unread": outcome.unread,
            "cooling": dataclasses.asdict(outcome.coolings[block]) if block in outcome.coolings else None,
            "failure": None if outcome.result.failure is None else dataclasses.asdict(outcome.result.failure),
        }
        self._written[outcome.case.case_id] = _Written.of(outcome)
        return part


@dataclass
class _Written:
    """How much of an outcome stands in the journal."""

    starts: int
    states: int
    machine: bool
    reading: bool
    scored: bool

    @classmethod
    def of(cls, outcome: Outcome) -> _Written:
        return cls(
            len(outcome.starts),
            len(outcome.states),
            outcome.machine is not None,
            outcome.reading is not None,
            outcome.scored is not None,
        )


@dataclass
class Restored:
    """What a device's entries come to, beside the outcomes that they were put into.

    ``sittings`` has the moment of each time that somebody went on, with the number of blocks finished before;
    ``losses`` are lines about lost connections, ``readings`` the device's state at its blocks. ``finished`` is timing
    alone, ``done`` everything.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    spent_ns: list[int] = field(default_factory=list)
    finished: bool = False
    sittings: list[tuple[str, int]] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    done: bool = False
    readings: list[DeviceReading] = field(default_factory=list)

    @property
    def timed(self) -> Timed:
        """Return the timing that is finished."""
        blocks = len(self.spent_ns)
        # Time at the end of each block of all groups.
        ends = [0, *self.spent_ns[len(self.groups) - 1 :: max(1, len(self.groups))]] if self.groups else [0]
        slowest_ns = max((later - earlier for earlier, later in itertools.pairwise(ends)), default=0)
        return Timed(self.groups, blocks, self.spent_ns[-1] if blocks else 0, slowest_ns, self.finished)


def restore(entries: Iterable[Entry], outcomes: Iterable[Outcome], evaluator: Evaluator | None) -> Restored:
    """Put what was journalled about one device into the outcomes of the same plan.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: an entry is not as it was written.
        UsageError, DataError: the images cannot be had again.
    """
    by_id = {outcome.case.case_id: outcome for outcome in outcomes}
    restored = Restored()
    for entry in entries:
        kind = entry["kind"]
        if kind == "resumed":
            restored.sittings.append((str(entry["at_utc"]), len(restored.spent_ns)))
        elif kind == "case":
            _restore_case(entry, by_id, evaluator)
        elif kind == "groups":
            restored.groups = tuple(tuple(str(case_id) for case_id in group) for group in entry["groups"])
        elif kind == "block":
            _restore_block(entry, by_id)
            _restore_reading(entry, restored.readings)
            restored.spent_ns.append(int(entry["spent_ns"]))
        elif kind == "timing":
            restored.finished = True
            for data in entry["results"]:
                result = structured(data, CaseResult)
                by_id[result.case_id].result = result
        else:
            _restore_event(entry, restored)
    return restored


def _restore_event(entry: Entry, restored: Restored) -> None:
    """Note what measured nothing. A device's plan is known from elsewhere."""
    kind = entry["kind"]
    if kind == "lost":
        restored.losses.append(str(entry["line"]))
    elif kind == "done":
        restored.done = True
    elif kind != "planned":
        raise ValueError(f"unknown entry {kind!r}")


def _restore_case(entry: Entry, by_id: Mapping[str, Outcome], evaluator: Evaluator | None) -> None:
    result = structured(entry["result"], CaseResult)
    outcome = by_id[result.case_id]
    outcome.result = result
    outcome.done.add(str(entry["phase"]))
    outcome.raw_log = str(entry.get("raw_log", ""))
    if "reading" in entry:
        outcome.reading = _reading(entry["reading"])
    if "scores" in entry and evaluator is not None and outcome.reading is not None:
        validation = decode_array(entry["validation_scores"]) if "validation_scores" in entry else None
        outcome.scored = evaluator.scored(outcome.reading, decode_array(entry["scores"]), validation)


def _restore_block(entry: Entry, by_id: Mapping[str, Outcome]) -> None:
    block = int(entry["block"])
    for case_id, part in entry["cases"].items():
        outcome = by_id[case_id]
        for data in part["bursts"]:
            outcome.log.keep(_burst(block, data))
        if part["unsettled"]:
            outcome.log.unsettled_blocks.add(block)
        outcome.starts += [(int(load_ns), int(first_ns)) for load_ns, first_ns in part["starts"]]
        outcome.states += [(before, after) for before, after in part["states"]]
        outcome.machine = outcome.machine or part["machine"]
        outcome.unread = part["unread"]
        if part.get("cooling") is not None:
            outcome.coolings[block] = structured(part["cooling"], BlockCooling)
        if part["failure"] is not None:
            outcome.broken(structured(part["failure"], Failure))


def _restore_reading(entry: Entry, readings: list[DeviceReading]) -> None:
    after = [after for part in entry["cases"].values() for _, after in part["states"]]
    if after:
        readings.append(block_reading(int(entry["block"]), after))


def _burst_entry(burst: Burst) -> dict[str, Any]:
    return {
        "round": burst.round_index,
        "warmup": burst.warmup,
        "start_ns": encode_array(burst.samples.start_ns),
        "latency_ns": encode_array(burst.samples.latency_ns),
    }


def _burst(block: int, data: Entry) -> Burst:
    samples = Samples(decode_array(data["start_ns"]), decode_array(data["latency_ns"]))
    return Burst(block, int(data["round"]), bool(data["warmup"]), samples)


def _reading_entry(reading: Reading) -> dict[str, Any]:
    return {
        "preprocessing": dataclasses.asdict(reading.preprocessing),
        "table": encode_array(np.asarray(reading.table)),
        "labels": reading.labels,
        "notes": reading.notes,
    }


def _reading(data: Entry) -> Reading:
    return Reading(
        structured(data["preprocessing"], Preprocessing),
        decode_array(data["table"]),
        tuple(str(label) for label in data["labels"]),
        tuple(str(note) for note in data["notes"]),
    )
