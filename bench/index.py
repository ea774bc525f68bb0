"""A light index over stored runs: of each case of each run what is needed to follow it over time, and nothing else.

Reading a whole record takes several times as long; hundreds of runs are read here in about a second, without a cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from .changes import BASE_MARK
from .errors import StoreError
from .findings import Code, Severity, Verdict
from .records import Environment, ModelFile, RuntimeInfo, Settings, Status
from .store import RUN_FILE, read_json, structure


@dataclass(frozen=True)
class Host:
    """The machine that measured, by what stays: no kernel, no memory size, nothing that an update changes."""

    hostname: str
    machine: str
    cpu_model: str | None


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, where it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One case of one stored run. A figure that the run does not have is None, a class without one is absent.

    ``created`` is in UTC. ``p50_ns`` is in nanoseconds, ``peak_rss_bytes`` and ``size_bytes`` are bytes, the rest are
    shares from 0 to 1. ``verdict`` is None where nothing was timed, or by an edgebench that gave none. ``images`` is
    how many images of ``data`` were evaluated. ``invalid_codes`` are why the verdict is INVALID, where it is.
    """

    run_id: str
    folder: Path
    created: datetime
    host: Host
    kernel: str
    edgebench: str
    case_id: str
    model: str
    variant: str
    device: str
    status: Status
    model_sha256: str
    size_bytes: int
    runtime: RuntimeInfo | None
    settings: Settings
    verdict: Verdict | None = None
    invalid_codes: tuple[Code, ...] = ()
    p50_ns: Estimate | None = None
    peak_rss_bytes: int | None = None
    data: str | None = None
    images: int | None = None
    top1: Estimate | None = None
    balanced_accuracy: Estimate | None = None
    recalls: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def runtime_version(self) -> str | None:
        """The runtime's package and version, ``ai-edge-litert 2.3.0``; None where the case never had one."""
        return f"{self.runtime.package} {self.runtime.version}" if self.runtime else None


@dataclass(frozen=True)
class Index:
    """All cases of all runs that could be read, oldest first; ``problems`` has a line for each run that could not."""

    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Latency:
    p50_ns: float | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Memory:
    peak_rss_bytes: int | None = None


@dataclass(frozen=True)
class _Class:
    label: str
    recall: float | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Accuracy:
    images: int
    top1: float
    balanced_accuracy: float | None
    classes: tuple[_Class, ...]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Finding:
    code: Code
    severity: Severity
    silenced: bool = False


@dataclass(frozen=True)
class _Case:
    case_id: str
    model: str
    variant: str
    device: str
    file: ModelFile
    status: Status
    runtime: RuntimeInfo | None = None
    latency: _Latency | None = None
    memory: _Memory | None = None
    accuracy: _Accuracy | None = None
    verdict: Verdict | None = None
    findings: tuple[_Finding, ...] = ()


@dataclass(frozen=True)
class _Data:
    source: str


@dataclass(frozen=True)
class _Device:
    name: str
    environment: Environment


@dataclass(frozen=True)
class _Run:
    """Those fields of a RunRecord that rows are made of: the others are left out by the converter."""

    run_id: str
    created_utc: str
    settings: Settings
    environment: Environment
    cases: tuple[_Case, ...]
    data: _Data | None = None
    devices: tuple[_Device, ...] = ()


def run_folders(out: Path) -> list[Path]:
    """Return the folders below ``out`` that hold a ``run.json``, by name; hidden ones are left out.

    Raises:
        StoreError: ``out`` is no folder, or cannot be read.
    """
    try:
        return sorted(path for path in out.iterdir() if not path.name.startswith(".") and (path / RUN_FILE).is_file())
    except OSError as error:
        raise StoreError(f"{out}: stored runs cannot be looked for here: {error.strerror or error}") from error


def load_index(out: Path) -> Index:
    """Return the index over the runs below ``out``. A run that is there twice, as a copy or a link, counts once.

    Raises:
        StoreError: ``out`` is no folder, or cannot be read.
    """
    rows: list[Row] = []
    problems: list[str] = []
    seen: dict[tuple[str, str, str], Path] = {}
    for folder in run_folders(out):
        try:
            run = structure(read_json(folder / RUN_FILE), str(folder / RUN_FILE), _Run)
            created = created_at(run.created_utc, folder)
        except StoreError as error:
            problems.append(f"left out: {error}")
            continue
        first = seen.setdefault((run.run_id, run.created_utc, run.environment.hostname), folder)
        if first is folder:
            rows += _rows(run, folder, created)
        else:
            problems.append(f"left out: {folder}: is the same run as {first}")
    return Index(tuple(sorted(rows, key=lambda row: (row.created, row.run_id))), tuple(problems))


def created_at(text: str, folder: Path) -> datetime:
    """Return a record's ``created_utc`` as a moment in UTC.

    Raises:
        StoreError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise StoreError(f"{folder / RUN_FILE}: created_utc {text[:40]!r} is no time") from None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def _rows(run: _Run, folder: Path, created: datetime) -> Iterator[Row]:
    machines = {device.name: device.environment for device in run.devices}
    for case in run.cases:
        if case.variant.endswith(BASE_MARK):
            continue  # measured so that its newer build could be compared with it
        machine = machines.get(case.device, run.environment)
        accuracy = case.accuracy
        yield Row(
            run_id=run.run_id,
            folder=folder,
            created=created,
            host=Host(machine.hostname, machine.machine, machine.cpu_model),
            kernel=machine.kernel,
            edgebench=machine.edgebench,
            case_id=case.case_id,
            model=case.model,
            variant=case.variant,
            device=case.device,
            status=case.status,
            model_sha256=case.file.sha256,
            size_bytes=case.file.size_bytes,
            runtime=case.runtime,
            settings=run.settings,
            verdict=case.verdict,
            invalid_codes=tuple(_invalid(case.findings)),
            p50_ns=_estimate(case.latency.p50_ns, case.latency.intervals, "p50_ns") if case.latency else None,
            peak_rss_bytes=case.memory.peak_rss_bytes if case.memory else None,
            data=run.data.source if run.data and accuracy else None,
            images=accuracy.images if accuracy else None,
            top1=_estimate(accuracy.top1, accuracy.intervals, "top1") if accuracy else None,
            balanced_accuracy=_balanced(accuracy) if accuracy else None,
            recalls=dict(_recalls(accuracy)) if accuracy else {},
        )


def _invalid(findings: Iterable[_Finding]) -> Iterator[Code]:
    return (item.code for item in findings if item.severity is Severity.INVALID and not item.silenced)


def _balanced(accuracy: _Accuracy) -> Estimate | None:
    return _estimate(accuracy.balanced_accuracy, accuracy.intervals, "balanced_accuracy")


def _recalls(accuracy: _Accuracy) -> Iterator[tuple[str, Estimate]]:
    for item in accuracy.classes:
        found = _estimate(item.recall, item.intervals, "recall")
        if found is not None:
            yield item.label, found


def _estimate(value: float | None, intervals: Mapping[str, tuple[float, float]], name: str) -> Estimate | None:
    return None if value is None else Estimate(value, *intervals.get(name, (None, None)))
