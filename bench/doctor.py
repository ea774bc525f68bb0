"""What this machine can run, and what would disturb a measurement on it. Looks and tries; changes nothing."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import __version__
from .analysis.disturbance import busy_finding, disturbances, unchecked
from .analysis.remedies import Remedy, remedy
from .analysis.surroundings import noise_finding, standing_findings
from .devices.base import Device, WorkerLink
from .errors import WorkerError
from .findings import Finding, worst_first
from .firmware import joined
from .plan import left_out
from .progress import Progress
from .records import Adapter, Delegate, DelegateKind, Engine
from .session import Session
from .smallest import write_smallest_model
from .spec import PythonTarget
from .worker import noise, truth
from .worker.runtimes import RUNTIMES

SCHEMA_VERSION = 1
#: Long enough for a hundred pieces of work and some hundred scheduler ticks, short enough to wait for.
NOISE_NS = 1_500_000_000
#: TensorFlow takes half a minute to import on a small board.
_TIMEOUT_S = 120.0

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """One engine with one delegate on the smallest model. ``detail`` says what it took, or why it does not work."""

    engine: str
    delegate: str
    works: bool
    detail: str


@dataclass(frozen=True)
class RuntimeReport:
    """A runtime of one Python and what it can do."""

    name: str
    package: str
    version: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class PythonReport:
    """An interpreter and its runtimes; ``absent`` says by package why another runtime cannot be used.

    ``problem`` is why it runs no worker at all.
    """

    path: str
    name: str | None = None
    version: str | None = None
    numpy: str | None = None
    runtimes: tuple[RuntimeReport, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class GpuReport:
    """The adapters that Vulkan shows; ``problem`` is why there are none, or why it could not be asked."""

    adapters: tuple[Adapter, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Advice:
    """A finding with the command that mends it, where one does."""

    finding: Finding
    remedy: Remedy | None = None


@dataclass(frozen=True)
class Examination:
    """Everything the doctor found: advice worst first, ``unchecked`` by code with the reason.

    ``machine``, ``snapshot`` and ``firmware`` are the readings of :mod:`edgebench.worker.truth`, ``noise`` those of
    :mod:`edgebench.worker.noise`.
    """

    schema_version: int
    edgebench: str
    pythons: tuple[PythonReport, ...]
    gpus: GpuReport
    advice: tuple[Advice, ...]
    unchecked: Mapping[str, str]
    machine: Facts
    snapshot: Facts
    firmware: Facts
    noise: Facts


@dataclass(frozen=True)
class Readers:
    """Where the machine's state comes from; tests replace them."""

    snapshot: Callable[[], Facts] = truth.snapshot
    machine: Callable[[], Facts] = truth.machine
    firmware: Callable[[], Facts] = truth.firmware
    noise: Callable[[int], Facts] = noise.probe


def readers_of(device: Device) -> Readers:
    """Return what reads a device's state: this process where it is this machine, else the device."""
    if not device.elsewhere:
        return Readers()
    return Readers(device.state, device.machine, device.firmware, device.noise)


def examine(
    device: Device,
    pythons: Sequence[PythonTarget] = (),
    *,
    readers: Readers | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Examine a machine and return the result; takes some seconds.

    ``pythons`` are tried beside the device's own. Each engine and delegate is tried in a worker process of its own.
    """
    said = progress or Progress()
    chosen = list(dict.fromkeys([PythonTarget(device.default_python()), *pythons]))
    said.phase("looking for what disturbs", 1)
    advice, facts = look(readers or readers_of(device))
    said.advance()
    gpus = _look_for_gpus(device, chosen[0])
    said.phase("trying runtimes", len(chosen))
    reports: list[PythonReport] = []
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        model = device.place(write_smallest_model(Path(folder)))
        for python in chosen:
            said.detail(python.path)
            reports.append(_try_python(device, python, model))
            said.advance()
    return Examination(SCHEMA_VERSION, __version__, tuple(reports), gpus, advice, **facts)


def to_json(examination: Examination) -> str:
    """Return the examination as plain ASCII JSON without NaN."""
    return json.dumps(dataclasses.asdict(examination), indent=1, allow_nan=False)


def look(readers: Readers) -> tuple[tuple[Advice, ...], dict[str, Facts]]:
    """Return what disturbs now, worst first, and the readings, in the fields of :class:`Examination`."""
    firmware_before = readers.firmware()
    machine, before = readers.machine(), readers.snapshot()
    spread = readers.noise(NOISE_NS)
    after, firmware = readers.snapshot(), readers.firmware()
    full_before, full_after = joined(before, firmware_before), joined(after, firmware)
    found = [
        *standing_findings(full_after, machine),
        *disturbances(full_before, full_after),
        *_present((busy_finding(before, after), noise_finding(spread, before, after))),
    ]
    advice = tuple(Advice(finding, remedy(finding, after, machine)) for finding in worst_first(found))
    missing = {code.value: why for code, why in unchecked(full_before, full_after).items()}
    facts = {"unchecked": missing, "machine": machine, "snapshot": after, "firmware": firmware, "noise": spread}
    return advice, facts


def _look_for_gpus(device: Device, python: PythonTarget) -> GpuReport:
    """Ask Vulkan in a process of its own: a driver that crashes must not end the doctor."""
    try:
        with Session(device.start_worker(python.path), _TIMEOUT_S) as session:
            return GpuReport(session.adapters())
    except WorkerError as error:
        return GpuReport(problem=str(error))


def _present(findings: Sequence[Finding | None]) -> list[Finding]:
    return [finding for finding in findings if finding is not None]


def _try_python(device: Device, python: PythonTarget, model: str) -> PythonReport:
    version: str | None = None
    numpy: str | None = None
    runtimes: list[RuntimeReport] = []
    absent: dict[str, str] = {}
    for name, (package, _module) in RUNTIMES.items():
        try:
            with device.start_worker(python.path) as worker:
                hello = worker.request("hello", _TIMEOUT_S, runtime=name)
                trials = _try_runtime(device, python.path, name, model, worker)
        except WorkerError as error:
            if error.code != "no-runtime" and not runtimes:
                return PythonReport(python.path, python.name, problem=str(error))
            absent[package] = str(error)
            continue
        version, numpy = str(hello.get("python")), str(hello.get("numpy"))
        runtime = hello["runtime"]
        runtimes.append(RuntimeReport(name, str(runtime["package"]), str(runtime["version"]), trials))
    return PythonReport(python.path, python.name, version, numpy, tuple(runtimes), absent)


def _try_runtime(device: Device, python: str, runtime: str, model: str, greeted: WorkerLink) -> tuple[Trial, ...]:
    """Try everything that a runtime may have; the worker that has loaded it is good for the first trial."""
    trials: list[Trial] = []
    for engine in (Engine.INTERPRETER, Engine.COMPILED):
        for delegate in DelegateKind:
            if delegate is DelegateKind.EXTERNAL or left_out(engine, Delegate(delegate)):
                continue  # a library of the user's own, which is not here to try; or a combination that cannot be
            try:
                with greeted if not trials else _greeted(device, python, runtime) as worker:
                    trials.append(_try_delegate(worker, model, engine, delegate))
            except WorkerError as error:
                trials.append(Trial(engine.value, delegate.value, False, str(error)))
                if error.code == "no-engine":
                    break  # whatever the delegate
    return tuple(trials)


def _greeted(device: Device, python: str, runtime: str) -> WorkerLink:
    worker = device.start_worker(python)
    try:
        worker.request("hello", _TIMEOUT_S, runtime=runtime)
    except WorkerError:
        worker.close()
        raise
    return worker


def _try_delegate(worker: WorkerLink, model: str, engine: Engine, delegate: DelegateKind) -> Trial:
    loaded = worker.request(
        "load", _TIMEOUT_S, model_path=model, engine=engine.value, delegate=delegate.value, threads=1
    )
    worker.request("first", _TIMEOUT_S, seed=0)
    told = loaded.get("delegation", {})
    taken, total = told.get("delegated_nodes"), told.get("total_nodes")
    if taken is None:
        return Trial(engine.value, delegate.value, True, str(told.get("unavailable", "it does not tell what it took")))
    # A delegate asked for by name that leaves the one node of this model alone is not there, whatever the runtime says.
    idle = taken == 0 and delegate not in (DelegateKind.NONE, DelegateKind.DEFAULT)
    return Trial(engine.value, delegate.value, not idle, f"took {taken} of {total} nodes")
