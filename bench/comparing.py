"""Two stored runs, from their names to what changed between them, for the command line and for Python programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .analysis.between_runs import compare_runs
from .analysis.machines import environments
from .changes import RunChange
from .repeats import stored_repeats
from .store import StoredRun, find_run, load


def compare_stored(
    base: str | Path | StoredRun,
    new: str | Path | StoredRun,
    out: Path,
    *,
    noise: float | None = None,
    cross_device: bool = False,
) -> RunChange:
    """Return what changed between two runs; those below ``out`` tell how far runs of this machine differ.

    Raises:
        StoreError: a run does not exist or is damaged.
        UsageError: unlike devices without ``cross_device``, or no case in common.
    """
    runs = [_opened(run, out) for run in (base, new)]
    repeats = stored_repeats(out, *environments(runs[0].record).values())
    found = compare_runs(
        runs[0],
        runs[1],
        repeats=repeats.records,
        noise=noise,
        cross_device=cross_device,
        base_name=run_name(base, runs[0]),
        new_name=run_name(new, runs[1]),
    )
    if repeats.unreadable:
        note = f"runs in {out} that could not be read, and tell nothing of how far runs differ: {repeats.unreadable}"
        found = replace(found, notes=(*found.notes, note))
    return found


def _opened(run: str | Path | StoredRun, out: Path) -> StoredRun:
    return run if isinstance(run, StoredRun) else load(find_run(str(run), out))


def run_name(given: str | Path | StoredRun, run: StoredRun) -> str:
    """Return the run's id, with what a person called it where that says something else."""
    if isinstance(given, StoredRun) or Path(str(given)).name == run.record.run_id:
        return run.record.run_id
    return f"{given} ({run.record.run_id})"
