"""From an image file to its scores: what an app waits for, step by step."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.waits import whole_of
from ..errors import WaitUnavailable
from ..evaluation import Reading
from ..images.dataset import ImageItem, stratified_limit
from ..images.generated import drawn_jpeg
from ..outcome import Outcome
from ..rounds import WARM_LIMIT, rotated
from ..session import Session
from ..worker.end_to_end import PARTS
from .context import WaitContext

#: Image files that are answered in turn, drawn by class.
IMAGES = 32
#: Blocks, each with a fresh process: three are the fewest that give an interval.
BLOCKS = 4
#: A block lasts this long, and longer for its share of the 64 answers that a p90 needs, but never over the limit.
BLOCK_NS = 400_000_000
MIN_RUNS = 16
LIMIT_NS = 7_500_000_000
#: No request is longer, so that a hang is noticed.
_CHUNK_NS = 1_000_000_000
_MAX_RUNS = 5_000


def measure_end_to_end(context: WaitContext, outcome: Outcome) -> dict[str, Any]:
    """Return ``end_to_end``, over blocks of fresh processes.

    Raises:
        WaitUnavailable: there are no images.
    """
    reading, evaluator = outcome.reading, context.evaluator
    if reading is None or evaluator is None:
        raise WaitUnavailable("it begins with an image file: give --data SOURCE")
    images = evaluator.images(reading.preprocessing)
    chosen = stratified_limit(replace(evaluator.dataset, items=images.items), IMAGES, seed=0).items
    with ExitStack() as stack:
        paths = [context.device.place(path) for path in _files(_mixed(chosen), stack)]
        blocks, warmups = [], 0
        for block in range(BLOCKS):
            # Where a block ends before the last image, the next begins with others.
            turned = rotated(paths, block * len(paths) // BLOCKS)
            parts, warmup = _measure_block(context, outcome, reading, turned)
            blocks.append(parts)
            warmups += warmup
    return {"end_to_end": whole_of(PARTS, blocks, warmups)}


def _mixed(items: Sequence[ImageItem]) -> list[ImageItem]:
    """Return the items in another order, always the same: by class, a short block would see the first classes only."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(items))
    return [items[index] for index in order]


def _files(items: Sequence[ImageItem], stack: ExitStack) -> list[Path]:
    """Return the items' files; generated images become files of a folder that ends with the stack.

    Raises:
        WaitUnavailable: they cannot be written.
    """
    if all(item.recipe is None for item in items):
        return [item.path for item in items]
    try:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgebench-photos-")))
        paths = []
        for number, item in enumerate(items):
            path = folder / f"{number}.jpg"
            path.write_bytes(drawn_jpeg(item.recipe or ""))
            paths.append(path)
    except OSError as error:
        raise WaitUnavailable(f"the generated images cannot be written to files: {error.strerror or error}") from error
    return paths


def _measure_block(
    context: WaitContext, outcome: Outcome, reading: Reading, paths: Sequence[str]
) -> tuple[np.ndarray[Any, Any], int]:
    """Return int64 ns [answers, parts] of one fresh process, and the number of answers that warmed it up."""
    settings = context.settings
    with context.launcher.open(outcome.case) as session:
        session.hello(outcome.case.runtime)
        context.launcher.load(outcome.case, session)
        session.open_photos(paths, reading.preprocessing.resize, reading.table)
        warmup_ns = settings.warmup_time_ns
        warm = _answers(session, settings.warmup_min_runs, warmup_ns, WARM_LIMIT * warmup_ns)
        return _answers(session, MIN_RUNS, BLOCK_NS, LIMIT_NS), len(warm)


def _answers(session: Session, min_runs: int, least_ns: int, limit_ns: int) -> np.ndarray[Any, Any]:
    """Answer images until both the runs and the time are reached, or the limit; at least one."""
    found: list[np.ndarray[Any, Any]] = []
    count = spent_ns = 0
    while True:
        parts = session.photos(1, _MAX_RUNS - count, min(_CHUNK_NS, max(1, least_ns - spent_ns)))
        found.append(parts)
        count += len(parts)
        spent_ns += int(parts.sum())
        enough = count >= min_runs and spent_ns >= least_ns
        if enough or spent_ns >= limit_ns or count >= _MAX_RUNS:
            return np.concatenate(found)
