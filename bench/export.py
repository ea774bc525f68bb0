"""All stored runs in one tidy file, Parquet or CSV: a row a case, a row a sample, or a row an image."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StoreError, UsageError
from .index import Row
from .records import CaseResult, RunRecord
from .report.csvfile import case_rows
from .report.csvwaits import Value
from .store import PREDICTIONS_FILE, RUN_FILE, SAMPLES_FILE, first_line, read_record

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".csv")
_SCORE = "score:"
#: Columns of a row a case that are text: a column in which nothing is known has no other way to say so.
_TEXT = frozenset(
    {
        "run_id", "created_utc", "hostname", "machine", "cpu_model", "system", "kernel", "edgebench", "data",
        "case_id", "model", "variant", "device", "engine", "runtime", "runtime_package", "runtime_version", "delegate",
        "delegate_library", "delegate_options", "signature", "status", "failure_code", "failure_message", "model_path",
        "model_sha256", "scheme", "verdict", "findings", "silenced", "unchecked", "base_case_id", "base_difference",
        "delegate_coverage", "cpu_operators", "adapter", "adapter_kind", "adapter_software", "parity_agrees",
        "answers_base_case_id", "top1_verdict", "balanced_accuracy_verdict",
    }
)  # fmt: skip


class What(str, Enum):
    """What a row of the file is."""

    CASES = "cases"
    SAMPLES = "samples"
    PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Exported:
    """What was written: how many rows, of how many runs; ``problems`` has a line for each run that was left out."""

    path: Path
    rows: int
    runs: int
    problems: tuple[str, ...] = ()


def check_target(path: Path) -> None:
    """Make sure that a file can be written there, before anything is read.

    Raises:
        UsageError: its name ends in neither .parquet nor .csv, its folder is missing, or is a stored run's.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--to {path}: its name must end in .parquet or .csv")
    if not path.parent.is_dir():
        raise UsageError(f"--to {path}: there is no folder {path.parent}; make it first")
    if (path.parent / RUN_FILE).exists():
        raise UsageError(f"--to {path}: this folder is a stored run's own; choose another")
    if path.is_dir():
        raise UsageError(f"--to {path}: is a folder; name a file")


def export(rows: Sequence[Row], what: What, path: Path) -> Exported:
    """Write the chosen cases of all runs into one file, which appears whole or not at all.

    A run whose raw data cannot be read is left out and told; one without images has no predictions.

    Raises:
        StoreError: the file cannot be written, or there is nothing to write.
    """
    import pyarrow as pa

    chosen: dict[Path, list[Row]] = {}
    for row in rows:
        chosen.setdefault(row.folder, []).append(row)
    problems: list[str] = []
    makers = {What.CASES: _cases, What.SAMPLES: _samples, What.PREDICTIONS: _predictions}
    schema, tables = makers[what](chosen, problems)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    written = runs = 0
    try:
        with _writer(partial, schema, path.suffix.lower()) as writer:
            write = writer.write_table if path.suffix.lower() == ".parquet" else writer.write
            for table in tables:
                write(table)
                written += table.num_rows
                runs += 1
        if not written:
            raise StoreError(
                "; ".join([f"--to {path}: nothing to write: no {what.value} in any chosen run", *problems[:1]])
            )
        if what is What.CASES:
            runs = len(chosen) - len(problems)
        partial.replace(path)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path}: cannot be written: {first_line(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return Exported(path, written, runs, tuple(problems))


def _writer(path: Path, schema: pa.Schema, suffix: str) -> Any:
    from pyarrow import csv, parquet

    return parquet.ParquetWriter(path, schema) if suffix == ".parquet" else csv.CSVWriter(path, schema)


_Chosen = Mapping[Path, Sequence[Row]]


def _cases(chosen: _Chosen, problems: list[str]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    import pyarrow as pa

    found: list[dict[str, Value]] = []
    for folder, rows in chosen.items():
        wanted = {row.case_id for row in rows}
        try:
            record = read_record(folder / RUN_FILE)
        except StoreError as error:
            problems.append(f"left out: {error}")
            continue
        for case, row in zip(record.cases, case_rows(record), strict=True):
            if case.case_id in wanted:
                found.append(_with_machine(record, case, row))
    names = list(dict.fromkeys(name for row in found for name in row))
    schema = pa.schema([(name, _kind(name, (row.get(name) for row in found))) for name in names])
    columns = [pa.array([row.get(field.name) for row in found], field.type) for field in schema]
    return schema, iter([pa.table(columns, schema=schema)] if found else [])


def _with_machine(record: RunRecord, case: CaseResult, row: Mapping[str, Value]) -> dict[str, Value]:
    """Return a case's row with what the run knows of the machine and the images, behind its id and time."""
    machine = record.environment
    return {
        "run_id": record.run_id,
        "created_utc": record.created_utc,
        "hostname": machine.hostname,
        "machine": machine.machine,
        "cpu_model": machine.cpu_model,
        "cpus_allowed": machine.cpus_allowed,
        "memory_total_bytes": machine.memory_total_bytes,
        "system": machine.system,
        "kernel": machine.kernel,
        "edgebench": machine.edgebench,
        "data": record.data.source if record.data and case.accuracy else None,
        **row,
    }


def _kind(name: str, values: Iterable[Value]) -> pa.DataType:
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if name in _TEXT or name.startswith("recall_verdict:") or str in kinds:
        return pa.string()
    return pa.int64() if kinds == {int} else pa.float64()


def _samples(chosen: _Chosen, problems: list[str]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    import pyarrow as pa

    kinds = {"block": pa.int32(), "round": pa.int32(), "start_ns": pa.int64(), "latency_ns": pa.int64()}
    schema = _schema({**kinds, "warmup": pa.bool_()})
    return schema, _tables(chosen, SAMPLES_FILE, schema, problems)


def _predictions(chosen: _Chosen, problems: list[str]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return a row an image and case; a class that a run does not have is null in its rows."""
    import pyarrow as pa
    from pyarrow import parquet

    scores: dict[str, None] = {}
    for folder in chosen:
        # One that cannot be read is told when its rows are.
        with contextlib.suppress(OSError, pa.ArrowException):
            names = parquet.read_schema(folder / PREDICTIONS_FILE).names
            scores |= dict.fromkeys(name for name in names if name.startswith(_SCORE))
    texts = dict.fromkeys(("image_id", "lesion_id", "label"), pa.string())
    schema = _schema({**texts, **dict.fromkeys(scores, pa.float32())})
    with_images = {folder: rows for folder, rows in chosen.items() if (folder / PREDICTIONS_FILE).exists()}
    return schema, _tables(with_images, PREDICTIONS_FILE, schema, problems)


def _schema(columns: Mapping[str, pa.DataType]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([*dict.fromkeys(("run_id", "hostname", "case_id"), pa.string()).items(), *columns.items()])


def _tables(chosen: _Chosen, name: str, schema: pa.Schema, problems: list[str]) -> Iterator[pa.Table]:
    """Yield a table a run, in the order of time; ``problems`` grows on the way."""
    import pandas as pd
    import pyarrow as pa

    for folder, rows in chosen.items():
        try:
            frame = pd.read_parquet(folder / name)
            kept = frame[frame["case"].isin([row.case_id for row in rows])]
            columns = {
                "run_id": pa.array([rows[0].run_id] * len(kept), pa.string()),
                "hostname": pa.array([rows[0].host.hostname] * len(kept), pa.string()),
                "case_id": pa.array(kept["case"].astype(str), pa.string()),
            }
            columns |= {field.name: _column(kept, field) for field in schema if field.name not in columns}
            table = pa.table(list(columns.values()), schema=schema)
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"left out: {folder / name}: cannot be read: {first_line(error)}")
            continue
        if table.num_rows:
            yield table


def _column(frame: Any, field: pa.Field) -> pa.Array:
    import pyarrow as pa

    if field.name not in frame.columns:
        if field.name.startswith(_SCORE):
            return pa.nulls(len(frame), field.type)
        raise KeyError(f"it lacks the column {field.name}")
    return pa.array(frame[field.name], field.type, from_pandas=True)
