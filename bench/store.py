"""Run folders: ``run.json``, ``samples.parquet``, ``predictions.parquet`` and ``report.html``."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import DataError, StoreError
from .images.files import user_path
from .journal import JOURNAL_FILE, in_use
from .records import SCHEMA_VERSION, RunRecord
from .swap import swap_folders, sync

if TYPE_CHECKING:
    import cattrs
    import pandas as pd

RUN_FILE = "run.json"
SAMPLES_FILE = "samples.parquet"
PREDICTIONS_FILE = "predictions.parquet"
PAGE_FILE = "report.html"
#: A run that is under way, or was cut off, has a folder of its id and this, with its journal alone.
UNFINISHED = ".unfinished"
#: What another program that measured cases has written, word for word.
RAW_LOG_FILE = "benchmark_model.log"
OWN_FILES = frozenset({RUN_FILE, SAMPLES_FILE, PREDICTIONS_FILE, PAGE_FILE, JOURNAL_FILE, RAW_LOG_FILE})
#: How the names of run folders begin.
STAMP = re.compile(r"\d{8}-\d{6}-")
_SAMPLE_COLUMNS = ("case", "block", "round", "start_ns", "latency_ns", "warmup")
_PREDICTION_COLUMNS = ("case", "image_id", "lesion_id", "label")

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class StoredRun:
    """A run with its raw data.

    ``samples`` has case, block, round, start_ns, latency_ns and warmup; ``predictions`` has case, image_id,
    lesion_id, label and one ``score:<label>`` column per class, or is None where no images were classified.
    ``raw_log`` is what another program that measured cases has written; a run that was loaded has it in its folder
    alone.
    """

    record: RunRecord
    samples: pd.DataFrame
    predictions: pd.DataFrame | None
    folder: Path | None = None
    raw_log: str = ""


def new_run_id(models: Iterable[str], now: datetime | None = None) -> str:
    """Return a folder name that sorts by time and says which model it is about."""
    stamp = (now or datetime.now(timezone.utc)).strftime("%Y%m%d-%H%M%S")
    names = list(dict.fromkeys(models))
    about = names[0] if len(names) == 1 else f"{len(names)}-models"
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", about).strip("._") or "run"
    return f"{stamp}-{safe[:60]}"


def prepare_out(out: Path) -> None:
    """Make sure that a run can be written below ``out``, before anything is measured.

    Raises:
        StoreError: it cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".edgebench-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StoreError(f"{out}: cannot write results here: {error.strerror or error}") from error


def save(run: StoredRun, out: Path, *, journal: Path | None = None, replacing: Path | None = None) -> Path:
    """Write a run folder below ``out`` and return its path; it appears whole or not at all.

    Where the run's id is taken, a number is added, in the folder's name and in the record alike; ``replacing`` is a
    folder whose place it takes instead. ``journal`` is kept in it.

    Raises:
        StoreError: the folder could not be written; nothing is left behind, and what was to be replaced is as it was.
    """
    partial = out / f".{run.record.run_id}.partial-{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        run.samples.to_parquet(partial / SAMPLES_FILE, index=False)
        if run.predictions is not None:
            run.predictions.to_parquet(partial / PREDICTIONS_FILE, index=False)
        if run.raw_log:
            (partial / RAW_LOG_FILE).write_text(run.raw_log, encoding="utf-8", errors="replace")
        if journal is not None:
            _keep(journal, partial / JOURNAL_FILE)
        if replacing is not None:
            return _replace(replacing, partial, run.record)
        return _move_into_place(partial, run.record, out)
    except (OSError, ValueError) as error:
        raise StoreError(f"{out}: the run could not be stored: {_reason(error)}", run) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _keep(file: Path, place: Path) -> None:
    try:
        os.link(file, place)  # the same file, so that it stays locked
    except OSError:
        shutil.copy2(file, place)


def _replace(place: Path, partial: Path, record: RunRecord) -> Path:
    """Put the new folder into the old one's place; the old one then has the new one's name, and the caller removes it.

    What somebody else has put into the old folder stays.
    """
    (partial / RUN_FILE).write_text(to_json(dataclasses.replace(record, run_id=place.name)), encoding="utf-8")
    sync(*partial.iterdir(), partial)
    swap_folders(partial, place)
    for path in partial.iterdir():
        if path.name not in OWN_FILES:
            path.rename(place / path.name)
    return place


def _move_into_place(partial: Path, record: RunRecord, out: Path) -> Path:
    for number in range(1, 1000):
        run_id = record.run_id if number == 1 else f"{record.run_id}-{number}"
        place = out / run_id
        if place.exists():
            continue
        (partial / RUN_FILE).write_text(to_json(dataclasses.replace(record, run_id=run_id)), encoding="utf-8")
        sync(*partial.iterdir(), partial)
        try:
            partial.rename(place)
        except OSError as error:  # another run took the name since
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                continue
            raise
        return place
    raise OSError(f"{out / record.run_id} and its numbered siblings all exist")


def write_page(run: StoredRun, folder: Path, page: str) -> None:
    """Write a run's page into its folder.

    Raises:
        StoreError: it could not be written; the run's data are there all the same.
    """
    try:
        # A file name may hold bytes that are no text: Python keeps them as what UTF-8 cannot express.
        (folder / PAGE_FILE).write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        (folder / PAGE_FILE).unlink(missing_ok=True)
        line = f"{folder}: the run is stored, but its page could not be written: {_reason(error)}"
        raise StoreError(line, run) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or first_line(error)


def find_run(name: str, out: Path) -> Path:
    """Return the folder of a run given its path, its id below ``out``, ``latest``, or ``DIR/latest``.

    Raises:
        StoreError: there is no such run.
    """
    try:
        if name == "latest":
            return _latest(out)
        if Path(name).name == "latest" and user_path(name).parent.is_dir() and not user_path(name).exists():
            return _latest(user_path(name).parent)
        for path in (user_path(name), out / name):
            if path.name == RUN_FILE and path.is_file():
                return path.parent
            if (path / RUN_FILE).is_file():
                return path
        for path in (user_path(name), user_path(f"{name}{UNFINISHED}"), out / f"{name}{UNFINISHED}"):
            if (path / JOURNAL_FILE).is_file():
                raise StoreError(cut_off_line(path))
    except (OSError, DataError) as error:
        raise no_such_run(name, error) from error
    hint = f"; it holds runs, the newest is {name}/latest" if _holds_runs(user_path(name)) else ""
    raise StoreError(f"{name}: no such run (looked for {name}/{RUN_FILE} here and in {out}){hint}")


def _holds_runs(folder: Path) -> bool:
    try:
        return next(folder.glob(f"*/{RUN_FILE}"), None) is not None
    except (OSError, ValueError):
        return False


def no_such_run(name: str, error: Exception) -> StoreError:
    """Return the error for a name that cannot even be looked for."""
    return StoreError(f"{name[:200]}: no such run: {getattr(error, 'strerror', None) or error}")


def _latest(out: Path) -> Path:
    """Return the newest run by the time in its name; folders that a person renamed come after all others."""
    runs = [path for path in out.glob(f"*/{RUN_FILE}") if not path.parent.name.startswith(".")]
    if not runs:
        cut_off = newest_unfinished(out)
        if cut_off is not None:
            raise StoreError(cut_off_line(cut_off))
        raise StoreError(f"{out}: holds no run yet; make one with: edgebench run MODEL")
    return newest(runs).parent


def newest(files: Iterable[Path]) -> Path:
    """Return the file whose folder is of the newest run."""
    listed = list(files)
    stamped = [path for path in listed if STAMP.match(path.parent.name)]
    return max(stamped or listed, key=lambda path: (path.parent.name[:15], path.stat().st_mtime_ns))


def newest_unfinished(out: Path) -> Path | None:
    """Return the folder of the newest run below ``out`` that is under way or was cut off, None where there is none.

    One that has been stored since does not count: the crash came before its journal was removed.
    """
    found = [
        path
        for path in out.glob(f"*{UNFINISHED}/{JOURNAL_FILE}")
        if not (out / path.parent.name.removesuffix(UNFINISHED) / RUN_FILE).exists()
    ]
    return newest(found).parent if found else None


def cut_off_line(folder: Path) -> str:
    """Return the line about a run that was not stored: what it is, and how to go on."""
    name = folder.name.removesuffix(UNFINISHED)
    if in_use(folder / JOURNAL_FILE):
        return f"{name}: is being measured right now; wait until it is stored"
    return f"{name}: was cut off before it was stored; {continue_line(folder)}"


def continue_line(folder: Path) -> str:
    """Return the command that goes on with a run, for people to copy."""
    place = folder.with_name(folder.name.removesuffix(UNFINISHED))
    return f"continue with: edgebench run --resume {shlex.quote(str(place))}"


def has_journal(folder: Path) -> bool:
    """Return True where a run can be continued."""
    return (folder / JOURNAL_FILE).is_file()


def remove_unfinished(folder: Path) -> None:
    """Remove what is left of a run under way, once it is stored or was not worth keeping."""
    with contextlib.suppress(OSError):
        (folder / JOURNAL_FILE).unlink(missing_ok=True)
        folder.rmdir()  # only where nobody has put something else into it


def load(folder: Path) -> StoredRun:
    """Return a stored run.

    Raises:
        StoreError: a file is missing, damaged, or of a newer schema.
    """
    import pandas as pd

    record = read_record(folder / RUN_FILE)
    try:
        samples = pd.read_parquet(folder / SAMPLES_FILE)
        _check_columns(samples, _SAMPLE_COLUMNS, SAMPLES_FILE)
        path = folder / PREDICTIONS_FILE
        predictions = pd.read_parquet(path) if path.exists() else None
        if predictions is not None:
            _check_columns(predictions, _PREDICTION_COLUMNS, PREDICTIONS_FILE)
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}: its samples or predictions cannot be read: {first_line(error)}") from error
    return StoredRun(record, samples, predictions, folder)


def _check_columns(frame: pd.DataFrame, needed: Iterable[str], name: str) -> None:
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise ValueError(f"{name} lacks the column {missing[0]}")


def read_record(path: Path) -> RunRecord:
    """Return the record in a ``run.json``. Raises StoreError where it cannot be read."""
    return from_dict(read_json(path), str(path))


def read_json(path: Path) -> Any:
    """Return what a JSON file holds. Raises StoreError where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read: {first_line(error)}") from error


def from_dict(data: Any, origin: str) -> RunRecord:
    """Return the record that ``to_json`` wrote; ``origin`` is named in errors."""
    return structure(data, origin, RunRecord)


def structure(data: Any, origin: str, kind: type[Kind]) -> Kind:
    """Return a ``run.json``'s content as a ``kind``: a RunRecord, or a dataclass with only some of its fields.

    Raises:
        StoreError: it is no run, of a newer schema, or does not fit; ``origin`` is named.
    """
    import cattrs

    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise StoreError(f"{origin}: is no edgebench run (it has no schema_version)")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{origin}: has schema version {version}, this edgebench knows {SCHEMA_VERSION}: update edgebench"
        )
    try:
        return strict_converter().structure(data, kind)
    except cattrs.BaseValidationError as error:
        where = "; ".join(cattrs.transform_error(error)[:2])
        raise StoreError(f"{origin}: does not fit the schema: {where}") from error


@functools.cache  # it writes code for every class on first use: for many records that is done once
def strict_converter() -> cattrs.Converter:
    """Return the one converter that takes ``null`` or ``"1"`` neither for text nor for a number."""
    import cattrs

    converter = cattrs.Converter()
    accepted: dict[type, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}
    for kind, types in accepted.items():
        converter.register_structure_hook(kind, functools.partial(_plain, types))
    converter.register_structure_hook(Path, lambda value, _: Path(_plain((str,), value, str)))
    return converter


def _plain(types: tuple[type, ...], value: Any, kind: type) -> Any:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TypeError(f"expected {kind.__name__}, got {value!r:.40}")
    return kind(value)


def to_json(record: RunRecord) -> str:
    """Return ``run.json``'s text: plain JSON in ASCII, so that it passes any terminal or pipe; no NaN."""
    return json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False)


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
