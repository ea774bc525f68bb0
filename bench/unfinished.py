"""Keeping a run while it is under way, and going on with one that was cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from . import __version__
from .entries import FORMAT_VERSION, Header, PlannedCase, Restored, header_entry, restore, resumed_entry, structured
from .errors import DataError, StoreError
from .evaluation import Evaluator
from .images.files import user_path
from .journal import JOURNAL_FILE, Journal
from .outcome import Outcome
from .plan import Plan
from .readings import Reading
from .records import SCHEMA_VERSION, Environment, RuntimeInfo
from .store import RUN_FILE, UNFINISHED, continue_line, newest, no_such_run, read_record, remove_unfinished
from .swap import sync

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
    restored: Restored = field(default_factory=Restored)
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

    def restore(self, outcomes: Iterable[Outcome], evaluator: Evaluator | None, moment: str) -> None:
        """Put what was journalled into the outcomes, and write down that the run goes on.

        Raises:
            StoreError: an entry is damaged.
            UsageError, DataError: the images cannot be had again.
        """
        try:
            self.restored = restore(self.entries or (), outcomes, evaluator)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.journal.path} is damaged: {error!r:.200}") from error
        self.restored.sittings.append((moment, len(self.restored.spent_ns)))
        self.journal.append(resumed_entry(moment))

    def readings(self, device: str) -> list[Reading]:
        """Return a device's state before the run and at the blocks that were finished, as far as they are known."""
        before = [self.header.before[device]] if device in self.header.before else []
        return before + self.restored.readings.get(device, [])

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

    def warnings(self, blocks: int, *, interrupted: bool) -> tuple[str, ...]:
        """Return what the record shall say, where ``blocks`` is how many blocks there are by now."""
        sittings = self.restored.sittings
        ends = [first for _, first in sittings[1:]] + [blocks]
        found = [_sitting(moment, first, end) for (moment, first), end in zip(sittings, ends, strict=False)]
        if self.journal.trouble is not None:
            how_far = "" if self.journal.empty else " to the end"
            left = self.how_to_go_on if self.journal.empty else "a continued run measures the rest again"
            lost = f"; {left}" if interrupted else ""
            found.append(f"the journal could not be written{how_far}: {self.journal.trouble}{lost}")
        return tuple(found)


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
        header = _header(journal.path, content.entries)
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


def check_machine(header: Header, device: str, environment: Environment) -> None:
    """Raise StoreError where the run was begun on another machine, or the machine has changed."""
    then, now = header.environment, environment
    _same("the device", header.device, device)
    _same("the host", then.hostname, now.hostname)
    _same("the kernel", then.kernel, now.kernel)
    _same("the processor", (then.cpu_model, then.machine), (now.cpu_model, now.machine))
    _same("the number of usable cores", then.cpus_allowed, now.cpus_allowed)


def check_plan(header: Header, cases: tuple[PlannedCase, ...], runtimes: Mapping[str, RuntimeInfo]) -> None:
    """Raise StoreError where a model file, a Python or a runtime is not what it was."""
    now = {case.case_id: case for case in cases}
    for case in header.cases:
        if case.case_id not in now:
            raise StoreError(f"{case.case_id} can no longer be measured: look at {case.path}")
        found = now[case.case_id]
        if found.sha256 != case.sha256:
            raise StoreError(
                f"the file {case.path} has another content than then (SHA-256 {found.sha256[:12]}..., "
                f"then {case.sha256[:12]}...)"
            )
        if found.card != case.card:
            raise StoreError(f"the card or labels beside {case.path} say something else than then")
        _same(f"the Python of {case.case_id}", case.python, found.python)
    new = [case for case in cases if case.case_id not in {case.case_id for case in header.cases}]
    if new:
        raise StoreError(f"{new[0].path} is new, and gives a case more")
    for path, runtime in header.runtimes.items():
        for name in ("package", "version", "python", "numpy"):
            what = {"package": "runtime", "version": "runtime's version", "python": "Python's version"}.get(name, name)
            _same(f"{path}: the {what}", getattr(runtime, name), getattr(runtimes[path], name))


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


def refused(header: Header, error: Exception) -> StoreError:
    """Return the line that says why a run is not continued."""
    elsewhere = "" if Path(header.folder) == Path.cwd() else f" (it was started in {header.folder})"
    return StoreError(f"{header.run_id}: cannot be continued: {error}{elsewhere}; what it measured is kept")


def here() -> str:
    """Return the folder where relative paths begin now, empty where it was removed."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""
