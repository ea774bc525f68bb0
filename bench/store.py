"""Run folders: ``run.json``, ``samples.parquet``, ``predictions.parquet`` and ``report.html``."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DataError, StoreError
from .images.files import user_path
from .records import SCHEMA_VERSION, RunRecord

if TYPE_CHECKING:
    import cattrs
    import pandas as pd

RUN_FILE = "run.json"
SAMPLES_FILE = "samples.parquet"
PREDICTIONS_FILE = "predictions.parquet"
PAGE_FILE = "report.html"
_STAMPED = re.compile(r"\d{8}-\d{6}-")
_SAMPLE_COLUMNS = ("case", "block", "round", "start_ns", "latency_ns", "warmup")
_PREDICTION_COLUMNS = ("case", "image_id", "lesion_id", "label")


@dataclass(frozen=True)
class StoredRun:
    """A run with its raw data.

    ``samples`` has case, block, round, start_ns, latency_ns and warmup; ``predictions`` has case, image_id,
    lesion_id, label and one ``score:<label>`` column per class, or is None where no images were classified.
    """

    record: RunRecord
    samples: pd.DataFrame
    predictions: pd.DataFrame | None
    folder: Path | None = None


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


def save(run: StoredRun, out: Path) -> Path:
    """Write a run folder below ``out`` and return its path; it appears whole or not at all.

    Where the run's id is taken, a number is added, in the folder's name and in the record alike.

    Raises:
        StoreError: the folder could not be written; nothing is left behind.
    """
    partial = out / f".{run.record.run_id}.partial-{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        run.samples.to_parquet(partial / SAMPLES_FILE, index=False)
        if run.predictions is not None:
            run.predictions.to_parquet(partial / PREDICTIONS_FILE, index=False)
        return _move_into_place(partial, run.record, out)
    except (OSError, ValueError) as error:
        raise StoreError(f"{out}: the run could not be stored: {_reason(error)}", run) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _move_into_place(partial: Path, record: RunRecord, out: Path) -> Path:
    for number in range(1, 1000):
        run_id = record.run_id if number == 1 else f"{record.run_id}-{number}"
        place = out / run_id
        if place.exists():
            continue
        (partial / RUN_FILE).write_text(to_json(dataclasses.replace(record, run_id=run_id)), encoding="utf-8")
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
    return getattr(error, "strerror", None) or _first_line(error)


def find_run(name: str, out: Path) -> Path:
    """Return the folder of a run given its path, its id below ``out``, or ``latest``.

    Raises:
        StoreError: there is no such run.
    """
    try:
        if name == "latest":
            return _latest(out)
        for path in (user_path(name), out / name):
            if path.name == RUN_FILE and path.is_file():
                return path.parent
            if (path / RUN_FILE).is_file():
                return path
    except (OSError, DataError) as error:
        raise StoreError(f"{name[:200]}: no such run: {getattr(error, 'strerror', None) or error}") from error
    raise StoreError(f"{name}: no such run (looked for {name}/{RUN_FILE} here and in {out})")


def _latest(out: Path) -> Path:
    """Return the newest run by the time in its name; folders that a person renamed come after all others."""
    runs = [path for path in out.glob(f"*/{RUN_FILE}") if not path.parent.name.startswith(".")]
    if not runs:
        raise StoreError(f"{out}: holds no run yet; make one with: edgebench run MODEL")
    stamped = [path for path in runs if _STAMPED.match(path.parent.name)]
    return max(stamped or runs, key=lambda path: (path.parent.name[:15], path.stat().st_mtime_ns)).parent


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
        raise StoreError(f"{folder}: its samples or predictions cannot be read: {_first_line(error)}") from error
    return StoredRun(record, samples, predictions, folder)


def _check_columns(frame: pd.DataFrame, needed: Iterable[str], name: str) -> None:
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise ValueError(f"{name} lacks the column {missing[0]}")


def read_record(path: Path) -> RunRecord:
    """Return the record in a ``run.json``. Raises StoreError where it cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read: {_first_line(error)}") from error
    return from_dict(data, str(path))


def from_dict(data: Any, origin: str) -> RunRecord:
    """Return the record that ``to_json`` wrote; ``origin`` is named in errors."""
    import cattrs

    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise StoreError(f"{origin}: is no edgebench run (it has no schema_version)")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{origin}: has schema version {version}, this edgebench knows {SCHEMA_VERSION}: update edgebench"
        )
    try:
        return _strict_converter().structure(data, RunRecord)
    except cattrs.BaseValidationError as error:
        where = "; ".join(cattrs.transform_error(error)[:2])
        raise StoreError(f"{origin}: does not fit the schema: {where}") from error


def _strict_converter() -> cattrs.Converter:
    """Return a converter that takes ``null`` or ``"1"`` neither for text nor for a number."""
    import cattrs

    converter = cattrs.Converter()
    accepted: dict[type, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}
    for kind, types in accepted.items():
        converter.register_structure_hook(kind, functools.partial(_plain, types))
    return converter


def _plain(types: tuple[type, ...], value: Any, kind: type) -> Any:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TypeError(f"expected {kind.__name__}, got {value!r:.40}")
    return kind(value)


def to_json(record: RunRecord) -> str:
    """Return ``run.json``'s text: plain JSON in ASCII, so that it passes any terminal or pipe; no NaN."""
    return json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
