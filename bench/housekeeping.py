"""What lies in a folder of results, and removing what is no longer needed: never more than was shown before.

Only folders that hold a run's own files and nothing else are ever removed. Links, folders with other files in them,
runs that a process is measuring, the newest run, and whatever cannot be read stay.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path

from .errors import StoreError, UsageError
from .filters import near
from .index import Host, created_at
from .journal import JOURNAL_FILE, Journal, in_use
from .records import Environment
from .store import OWN_FILES, RUN_FILE, STAMP, UNFINISHED, read_json, structure


class State(str, Enum):
    """What a folder below results is."""

    STORED = "stored"
    INTERRUPTED = "interrupted"
    CUT_OFF = "cut off"
    RUNNING = "running"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Folder:
    """A folder that belongs to a run. ``created`` is in UTC, None where nothing tells it.

    ``cases`` are its case ids, ``data`` the images it was judged on. ``trouble`` is why it is never removed, if so.
    """

    path: Path
    state: State
    size_bytes: int
    run_id: str
    created: datetime | None = None
    host: Host | None = None
    cases: tuple[str, ...] = ()
    data: str | None = None
    trouble: str | None = None

    @property
    def name(self) -> str:
        """What people call it by."""
        return self.path.name


@dataclass(frozen=True)
class Wanted:
    """What may go: where both are given, what both say. ``keep`` counts the newest runs of the same cases.

    The same cases are the same case ids, on the same images, measured by the same host.
    """

    keep: int | None = None
    older_than: timedelta | None = None
    protected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pruning:
    """The folders that may go, oldest first, and why each other one that was asked for stays."""

    remove: tuple[Folder, ...]
    stay: Mapping[Path, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """What all removed folders take."""
        return sum(folder.size_bytes for folder in self.remove)


@dataclass(frozen=True)
class _Case:
    case_id: str


@dataclass(frozen=True)
class _Data:
    source: str


@dataclass(frozen=True)
class _Run:
    run_id: str
    created_utc: str
    environment: Environment
    cases: tuple[_Case, ...]
    interrupted: bool = False
    data: _Data | None = None


def list_folders(out: Path) -> list[Folder]:
    """Return what belongs to runs below ``out``, oldest first. Hidden folders and those of nobody's run are left out.

    Raises:
        StoreError: ``out`` is no folder, or cannot be read.
    """
    try:
        places = sorted(path for path in out.iterdir() if not path.name.startswith(".") and path.is_dir())
    except OSError as error:
        raise StoreError(f"{out}: stored runs cannot be looked for here: {error.strerror or error}") from error
    found = [_folder(path) for path in places if _is_of_a_run(path)]
    first = datetime.min.replace(tzinfo=timezone.utc)
    return sorted(found, key=lambda folder: (folder.created or first, folder.name))


def _is_of_a_run(path: Path) -> bool:
    if path.name.endswith(UNFINISHED):
        return (path / JOURNAL_FILE).is_file()
    return (path / RUN_FILE).is_file()


def _folder(path: Path) -> Folder:
    size_bytes = _size_bytes(path)
    trouble = _trouble(path)
    running = in_use(path / JOURNAL_FILE)
    if path.name.endswith(UNFINISHED):
        state = State.RUNNING if running else State.CUT_OFF
        run_id = path.name.removesuffix(UNFINISHED)
        return Folder(path, state, size_bytes, run_id, _stamped(path), trouble=trouble)
    try:
        run = structure(read_json(path / RUN_FILE), str(path / RUN_FILE), _Run)
        created = created_at(run.created_utc, path)
    except StoreError as error:
        return Folder(path, State.UNREADABLE, size_bytes, path.name, _stamped(path), trouble=str(error))
    machine = run.environment
    state = State.RUNNING if running else State.INTERRUPTED if run.interrupted else State.STORED
    return Folder(
        path=path,
        state=state,
        size_bytes=size_bytes,
        run_id=run.run_id,
        created=created,
        host=Host(machine.hostname, machine.machine, machine.cpu_model),
        cases=tuple(sorted(case.case_id for case in run.cases)),
        data=run.data.source if run.data else None,
        trouble=trouble,
    )


def _trouble(path: Path) -> str | None:
    """Return what speaks against removing a folder at all, whatever was asked for."""
    if path.is_symlink():
        return "is a link"
    try:
        with os.scandir(path) as entries:
            foreign = sorted(
                entry.name
                for entry in entries
                if entry.name not in OWN_FILES or not entry.is_file(follow_symlinks=False)
            )
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"holds what is not edgebench's: {foreign[0]}" if foreign else None


def _size_bytes(path: Path) -> int:
    try:
        with os.scandir(path) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


def _stamped(path: Path) -> datetime | None:
    if not STAMP.match(path.name):
        return None
    try:
        return datetime.strptime(path.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def plan_pruning(folders: Sequence[Folder], wanted: Wanted, now: datetime) -> Pruning:
    """Return what may go. ``folders`` are all that lie there, oldest first.

    Runs that were cut off count in no set of cases: they go by age alone, and only where an age is given.

    Raises:
        UsageError: nothing says what may go, or a protected run is not there.
    """
    if wanted.keep is None and wanted.older_than is None:
        raise UsageError("results prune: say what may go: --keep N or --older-than 90d")
    protected = _protected(folders, wanted.protected)
    ranks = _ranks(folders)
    asked = [folder for folder in folders if _asked(folder, ranks[folder.path], wanted, now)]
    newest = _newest(folders)
    stay: dict[Path, str] = {}
    for folder in asked:
        reason = _why_it_stays(folder, newest, protected)
        if reason is not None:
            stay[folder.path] = reason
    return Pruning(tuple(folder for folder in asked if folder.path not in stay), stay)


def _protected(folders: Sequence[Folder], names: Iterable[str]) -> set[Path]:
    found: set[Path] = set()
    for name in names:
        known = {folder.name: folder.path for folder in folders}
        known |= {str(folder.path): folder.path for folder in folders}
        place = known.get(name) or known.get(name.rstrip("/"))
        if place is None:
            names_there = [folder.name for folder in folders]
            raise UsageError(f"--protect {name}: no such run; {near(name, names_there)}")
        found.add(place)
    return found


def _asked(folder: Folder, rank: int, wanted: Wanted, now: datetime) -> bool:
    unfinished = folder.path.name.endswith(UNFINISHED)
    if unfinished and wanted.older_than is None:
        return False
    old = wanted.older_than is None or (folder.created is not None and now - folder.created > wanted.older_than)
    return old and (wanted.keep is None or unfinished or rank >= wanted.keep)


def _ranks(folders: Sequence[Folder]) -> dict[Path, int]:
    """Return how many newer runs of the same cases each has."""
    newer: Counter[tuple[object, ...]] = Counter()
    ranks: dict[Path, int] = {}
    for folder in reversed(folders):
        ranks[folder.path] = newer[_set(folder)]
        # A link or an odd folder may be a copy of another: N that are whole are kept beside it.
        newer[_set(folder)] += folder.trouble is None
    return ranks


def _set(folder: Folder) -> tuple[object, ...]:
    return (folder.host, folder.cases, folder.data) if folder.host else (folder.path,)


def _newest(folders: Sequence[Folder]) -> set[Path]:
    """Return the newest run's folder, and those that are copies of it."""
    stored = [folder for folder in folders if folder.state in (State.STORED, State.INTERRUPTED)]
    return {folder.path for folder in stored if folder.created == stored[-1].created}


def _why_it_stays(folder: Folder, newest: set[Path], protected: set[Path]) -> str | None:
    if folder.trouble is not None:
        return folder.trouble
    if folder.state is State.RUNNING:
        return "is being measured"
    if folder.path in newest:
        return "is the newest run"
    return "is protected" if folder.path in protected else None


def remove(folder: Folder) -> None:
    """Remove a run's folder, once more making sure that it is one and nobody uses it.

    It disappears in one step: what a crash leaves of it is a hidden folder.

    Raises:
        StoreError: it is not removed.
    """
    trouble = _trouble(folder.path)
    if trouble is not None:
        raise StoreError(f"{folder.path}: is left: {trouble}")
    held = _held(folder.path)
    hidden = folder.path.with_name(f".{folder.name}.removing-{os.getpid()}")
    try:
        folder.path.rename(hidden)
        shutil.rmtree(hidden)
    except OSError as error:
        raise StoreError(f"{folder.path}: cannot be removed: {error.strerror or error}") from error
    finally:
        if held is not None:
            held.close()


def _held(folder: Path) -> Journal | None:
    """Return a run's journal, held while the folder goes so that nobody begins to continue it; None without one."""
    if not (folder / JOURNAL_FILE).exists():
        return None
    try:
        return Journal.reopen(folder / JOURNAL_FILE)[0]
    except StoreError as error:
        raise StoreError(f"{folder}: is left: {error}") from error
