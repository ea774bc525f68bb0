"""The demo: from nothing to a page with figures, on generated images, in about two minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgebench.api import run_spec
from edgebench.errors import UsageError
from edgebench.progress import Progress
from edgebench.spec import DEFAULT_SETTINGS, DataSpec, Spec

from .pipeline import train_and_export
from .recipe import Recipe, resolve_recipe

MODEL_NAME = "demo-model"
_SIZE = 64
_ALPHA = 0.25


def demo_recipe(epochs: int) -> Recipe:
    """A network that learns from nothing in about a minute on two cores."""
    full = {"epochs": epochs, "learning_rate": 4e-3, "batch_size": 32}
    return resolve_recipe(None, {"weights": "none", "alpha": _ALPHA, "size": _SIZE, "full": full})


def run_demo(out: Path, count: int, epochs: int, command: Sequence[str], progress: Progress) -> int:
    """Train, export, run and report; return the exit code of the run.

    Raises:
        UsageError: too few images or epochs.
    """
    from edgebench.run_cli import exit_code, show_run

    if count < 200 or epochs < 1:
        raise UsageError(f"--count {count} --epochs {epochs}: the demo needs 200 images and 1 epoch or more")
    source = f"phantom:count={count},size={_SIZE},seed=0"
    model = out / MODEL_NAME
    train_and_export(source, demo_recipe(epochs), model, overwrite=True, progress=progress)
    settings = replace(DEFAULT_SETTINGS, min_time_ns=500_000_000)
    spec = Spec(models=(str(model),), data=DataSpec(source), settings=settings, command=tuple(command))
    stored = run_spec(spec, out=out, progress=progress)
    progress.close()
    show_run(stored, as_json=False)
    return exit_code(stored)
