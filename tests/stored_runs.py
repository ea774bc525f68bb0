"""Stored runs for tests of what reads many of them: the golden run of schema 2, with other figures and times."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parent / "fixtures" / "golden"
FLOAT32, INT8 = (f"sample/{variant}@local/interpreter.litert+default/t1" for variant in ("float32", "int8"))
FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)
_GOLDEN_RUN: dict[str, Any] = json.loads((GOLDEN / "run-v2" / "run.json").read_text(encoding="utf-8"))


def write_run(
    out: Path,
    number: int,
    p50_ms: float | None = None,
    *,
    host: str = "host",
    sha256: str | None = None,
    size_bytes: int | None = None,
    kernel: str = "Linux 6.1",
    runtime: str = "2.3.0",
    verdict: str = "valid",
    top1: float | None = None,
    created: datetime | None = None,
    thread_counts: Sequence[int] = (1,),
    raw: bool = False,
) -> Path:
    """Write the run of a day and return its folder; figures are those of every case, ``raw``: with samples.

    There are two cases, float32 and int8, for each of ``thread_counts``.
    """
    moment = created or FIRST + timedelta(days=number)
    record = copy.deepcopy(_GOLDEN_RUN)
    record["run_id"] = moment.strftime("%Y%m%d-%H%M%S-sample")
    record["created_utc"] = moment.isoformat()
    record["environment"] |= {"hostname": host, "kernel": kernel}
    record["cases"] = [_with_threads(case, threads) for threads in thread_counts for case in record["cases"]]
    for case in record["cases"]:
        case["verdict"] = verdict
        case["runtime"]["version"] = runtime
        case["file"] |= {} if sha256 is None else {"sha256": sha256}
        case["file"] |= {} if size_bytes is None else {"size_bytes": size_bytes}
        if p50_ms is not None:
            case["latency"] |= {"p50_ns": p50_ms * 1e6, "intervals": {"p50_ns": [p50_ms * 0.99e6, p50_ms * 1.01e6]}}
        if top1 is not None:
            case["accuracy"]["top1"] = top1
    folder = out / str(record["run_id"])
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    if raw:
        for name in ("samples.parquet", "predictions.parquet"):
            shutil.copy(GOLDEN / "run-v2" / name, folder / name)
    return folder


def _with_threads(case: dict[str, Any], threads: int) -> dict[str, Any]:
    made = copy.deepcopy(case)
    return made | {"case_id": made["case_id"].replace("/t1", f"/t{threads}"), "threads": threads}


def write_runs(out: Path, p50s_ms: Sequence[float], **options: Any) -> list[Path]:
    """Write a run a day, the first of them on :data:`FIRST`."""
    return [write_run(out, number, p50_ms, **options) for number, p50_ms in enumerate(p50s_ms)]
