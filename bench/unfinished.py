"""Keeping a run while it is under way, and going on with one that was cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import __version__
from .entries import (
    FORMAT_VERSION,
    Header,
    PlannedCase,
    PlannedDevice,
    header_entry,
    planned_entry,
    resumed_entry,
    structured,
)
from .errors import DataError, DeviceError, EdgebenchError, StoreError, told_again
from .images.files import user_path
from .journal import JOURNAL_FILE, Journal
from .plan import Plan
from .records import SCHEMA_VERSION, Environment, RuntimeInfo
from .store import RUN_FILE, UNFINISHED, continue_line, newest, no_such_run, read_record, remove_unfinished
from .swap import sync

if TYPE_CHECKING:
    from .device_run import DevicePlan, DeviceRun

_MAX_NUMBER = 1000


@dataclass
class Kept:
    """A run under way and its journal. A context manager: at its end others may have the journal.

    ``entries`` are what it held when it was taken up again, None for a new run. ``replacing`` is the run's folder from
    when it was interrupted, None where it has none yet.
    """

    journal: Journal
    header: Header
    replacing: Path | None = None
    entries: tuple[Mapping[str, Any], ...] | None = None

    @property
    def folder(self) -> Path:
        """Where the journal is."""
        return self.journal.path.parent

    def __enter__(self) -> Kept:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.close()

    def restore(self, runs: Sequence[DeviceRun], moment: str) -> None:
        """Put what was journalled into the devices' outcomes, and write down that the run goes on.

        Raises:
            StoreError: an entry is damaged.
            UsageError, DataError: the images cannot be had again.
        """
        resumed = resumed_entry(moment)
        try:
            for run in runs:
                run.take_up((*(self.entries or ()), resumed))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.journal.path} is damaged: {error!r:.200}") from error
        self.journal.append(resumed)

    @property
    def done(self) -> frozenset[str]:
        """The devices on which nothing is left to measure."""
        return frozenset(str(entry["device"]) for entry in self.entries or () if entry.get("kind") == "done")

    def plan_later(self, plans: Iterable[DevicePlan]) -> None:
        """Write down what is measured on devices that could be reached only now."""
        unseen = {device.name for device in self.header.devices if device.environment is None}
        for planned in plans:
            if planned.device.name in unseen and planned.environment is not None:
                self.journal.append({**planned_entry(planned.planned()), "device": planned.device.name})

    def stored(self) -> None:
        """Remove what only a run under way needs, also what a crash between two steps left of it."""
        run_id = self.folder.name.removesuffix(UNFINISHED)
        remove_unfinished(self.folder.with_name(f"{run_id}{UNFINISHED}"))

    def drop(self) -> None:
        """Remove a new run's journal again: nothing was timed."""
        if self.entries is None:
            remove_unfinished(self.folder)

    @property
    def how_to_go_on(self) -> str:
        """The command that continues the run, for people, or that there is none."""
        return "this run cannot be continued" if self.journal.empty else continue_line(self.folder)

    def warnings(self, runs: Sequence[DeviceRun], *, interrupted: bool) -> tuple[str, ...]:
        """Return what the record shall say of how the run was kept and continued."""
        found = [line for run in runs for line in _sittings(run, named=len(runs) > 1)]
        if self.journal.trouble is not None:
            how_far = "" if self.journal.empty else " to the end"
            left = self.how_to_go_on if self.journal.empty else "a continued run measures the rest again"
            lost = f"; {left}" if interrupted else ""
            found.append(f"the journal could not be written{how_far}: {self.journal.trouble}{lost}")
        return tuple(found)


def _sittings(run: DeviceRun, *, named: bool) -> list[str]:
    """Return a line for each time that somebody went on; those in which a device of several was done already, none."""
    sittings = run.restored.sittings
    ends = [first for _, first in sittings[1:]] + [run.blocks]
    whose = f"{run.name}: " if named else ""
    return [
        f"{whose}{_sitting(moment, first, end)}"
        for (moment, first), end in zip(sittings, ends, strict=False)
        if end > first or not named
    ]


def _sitting(moment: str, first: int, end: int) -> str:
    if end <= first:
        return f"continued on {moment}: no block was measured then"
    which = f"block {first}" if end == first + 1 else f"blocks {first} to {end - 1}"
    return f"continued on {moment}: {which} of samples.parquet {'was' if end == first + 1 else 'were'} measured then"


def start(out: Path, run_id: str, make_header: Callable[[str], Header]) -> Kept:
    """Begin a run's journal below ``out``, under an id that no other run has.

    Raises:
        StoreError: no folder can be made there.
    """
    for number in range(1, _MAX_NUMBER):
        name = run_id if number == 1 else f"{run_id}-{number}"
        folder = out / f"{name}{UNFINISHED}"
        try:
            if (out / name).exists():
                continue
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise StoreError(f"{folder}: cannot be made: {error.strerror}") from error
        kept = Kept(Journal.create(folder / JOURNAL_FILE), make_header(name))
        kept.journal.append(header_entry(kept.header))
        sync(folder, out)
        return kept
    raise StoreError(f"{out / run_id} and its numbered siblings all exist")


def find_resumable(name: str, out: Path) -> Path:
    """Return the folder with the journal of a run, given its folder, its id below ``out``, or ``latest``.

    Raises:
        StoreError: there is no such run, it is finished, or nothing is left to continue it from.
    """
    try:
        if name == "latest":
            return _resumable(_latest(out))
        for path in (user_path(name), user_path(f"{name}{UNFINISHED}"), out / name, out / f"{name}{UNFINISHED}"):
            folder = path.parent if path.name in (JOURNAL_FILE, RUN_FILE) else path
            if (folder / JOURNAL_FILE).is_file() or (folder / RUN_FILE).is_file():
                return _resumable(folder)
    except (OSError, DataError) as error:
        raise no_such_run(name, error) from error
    raise StoreError(f"{name}: no such run (looked for it here and in {out})")


def _latest(out: Path) -> Path:
    runs = [path for name in (RUN_FILE, JOURNAL_FILE) for path in out.glob(f"*/{name}") if path.parent.name[0] != "."]
    if not runs:
        raise StoreError(f"{out}: holds no run yet; make one with: edgebench run MODEL")
    return newest(runs).parent


def _resumable(folder: Path) -> Path:
    stored = folder.with_name(folder.name.removesuffix(UNFINISHED))
    if (stored / RUN_FILE).is_file():
        folder = stored
    if (folder / JOURNAL_FILE).is_file():
        return folder
    if read_record(folder / RUN_FILE).interrupted:
        raise StoreError(f"{folder.name}: was interrupted, and has no {JOURNAL_FILE} that it could be continued from")
    raise StoreError(
        f"{folder.name}: is finished, there is nothing to continue; see it with: edgebench report {folder}"
    )


def reopen(folder: Path) -> Kept:
    """Take up a run's journal.

    Raises:
        StoreError: another process has it, it is damaged, or another edgebench wrote it.
    """
    journal, content = Journal.reopen(folder / JOURNAL_FILE)
    try:
        if not content.entries:
            remove_unfinished(folder)
            raise StoreError(f"{folder.name}: was cut off before anything was measured; start that run anew")
        header = _with_later_plans(_header(journal.path, content.entries), content.entries)
    except StoreError:
        journal.close()
        raise
    replacing = folder if (folder / RUN_FILE).is_file() else None
    return Kept(journal, header, replacing, entries=content.entries[1:])


def _header(path: Path, entries: tuple[dict[str, Any], ...]) -> Header:
    data = {key: value for key, value in entries[0].items() if key != "kind"}
    wrote = (data.get("format_version"), data.get("schema_version"), data.get("edgebench"))
    if entries[0].get("kind") != "header" or wrote != (FORMAT_VERSION, SCHEMA_VERSION, __version__):
        raise StoreError(
            f"{path}: was written by edgebench {wrote[2]} (journal format {wrote[0]}, schema {wrote[1]}), and this is "
            f"{__version__} ({FORMAT_VERSION}, {SCHEMA_VERSION}): continue the run with the one that began it"
        )
    try:
        return structured(data, Header)
    except ValueError as error:
        raise StoreError(f"{path}: its header is damaged, so this run cannot be continued: {error}") from error


def _with_later_plans(header: Header, entries: tuple[dict[str, Any], ...]) -> Header:
    """Return the header with the plans of devices that could not be reached at first and were later."""
    try:
        later = {
            found.name: found
            for entry in entries
            if entry.get("kind") == "planned"
            for found in (structured(entry["planned"], PlannedDevice),)
        }
    except (ValueError, KeyError) as error:
        raise StoreError(f"{header.run_id}: its journal is damaged: {error}") from error
    return replace(header, devices=tuple(later.get(device.name, device) for device in header.devices))


def planned_cases(plan: Plan) -> tuple[PlannedCase, ...]:
    """Return what a header says of a plan's cases."""
    return tuple(
        PlannedCase(
            case.case_id,
            case.variant.file.path,
            case.variant.file.sha256,
            case.python.path,
            case.variant.card.digest() if case.variant.card else None,
        )
        for case in plan.cases
    )


def check_devices(header: Header, names: Sequence[str]) -> None:
    """Raise StoreError where the run was begun on other devices."""
    if len(header.devices) == len(names) == 1:
        _same("the device", header.devices[0].name, names[0])
    _same("the list of devices", tuple(device.name for device in header.devices), tuple(names))


def check_machine(device: PlannedDevice, environment: Environment) -> None:
    """Raise StoreError where the run was begun on another machine, or the machine has changed."""
    then, now = device.environment, environment
    if then is None:  # nobody has seen it
        return
    _same("the host", then.hostname, now.hostname)
    _same("the kernel", then.kernel, now.kernel)
    _same("the processor", (then.cpu_model, then.machine), (now.cpu_model, now.machine))
    _same("the number of usable cores", then.cpus_allowed, now.cpus_allowed)


def check_plan(device: PlannedDevice, cases: tuple[PlannedCase, ...], runtimes: Mapping[str, RuntimeInfo]) -> None:
    """Raise StoreError where a model file, a Python or a runtime is not what it was."""
    if device.environment is None:
        _check_files(device.cases, cases)
        return
    now = {case.case_id: case for case in cases}
    for case in device.cases:
        if case.case_id not in now:
            raise StoreError(f"{case.case_id} can no longer be measured: look at {case.path}")
        found = now[case.case_id]
        _check_file(case, found)
        _same(f"the Python of {case.case_id}", case.python, found.python)
    new = [case for case in cases if case.case_id not in {case.case_id for case in device.cases}]
    if new:
        raise StoreError(f"{new[0].path} is new, and gives a case more")
    for path, runtime in device.runtimes.items():
        for name in ("package", "version", "python", "numpy"):
            what = {"package": "runtime", "version": "runtime's version", "python": "Python's version"}.get(name, name)
            _same(f"{path}: the {what}", getattr(runtime, name), getattr(runtimes[path], name))


def _check_files(then: tuple[PlannedCase, ...], now: tuple[PlannedCase, ...]) -> None:
    """Raise StoreError where the files are not those of cases whose ids were a guess."""
    files = {case.path: case for case in now}
    for case in then:
        if case.path not in files:
            raise StoreError(f"{case.case_id} can no longer be measured: look at {case.path}")
        _check_file(case, files[case.path])
    new = files.keys() - {case.path for case in then}
    if new:
        raise StoreError(f"{min(new)} is new, and gives a case more")


def _check_file(then: PlannedCase, now: PlannedCase) -> None:
    if now.sha256 != then.sha256:
        raise StoreError(
            f"the file {then.path} has another content than then (SHA-256 {now.sha256[:12]}..., "
            f"then {then.sha256[:12]}...)"
        )
    if now.card != then.card:
        raise StoreError(f"the card or labels beside {then.path} say something else than then")


def check_images(header: Header, fingerprint: str | None) -> None:
    """Raise StoreError where the images or their labels are not the same."""
    if header.images != fingerprint:
        raise StoreError("the images or their labels have changed")


def _same(what: str, then: object, now: object) -> None:
    if then != now:
        raise StoreError(f"{what} was {_shown(then)}, now it is {_shown(now)}")


def _shown(value: object) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return ", ".join("unknown" if part is None else str(part) for part in parts)


def refused(header: Header, error: Exception) -> EdgebenchError:
    """Return the line that says why a run is not continued."""
    elsewhere = "" if Path(header.folder) == Path.cwd() else f" (it was started in {header.folder})"
    line = f"{header.run_id}: cannot be continued: {error}{elsewhere}; what it measured is kept"
    return told_again(error, line) if isinstance(error, DeviceError) else StoreError(line)


def here() -> str:
    """Return the folder where relative paths begin now, empty where it was removed."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""
