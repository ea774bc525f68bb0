"""A training's state on disk, written in one step after each epoch, so that a killed training goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.errors import TrainingError

Array = np.ndarray[Any, Any]
FOLDER_NAME = ".training"
_FILE_NAME = "checkpoint.npz"


@dataclass(frozen=True)
class EpochRow:
    """One line of ``history.csv``. Validation figures are over unchanged images."""

    phase: str
    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_top1: float
    validation_balanced_accuracy: float


@dataclass(frozen=True)
class State:
    """Where a training stands. ``best`` is the best validation balanced accuracy of the phase; ``waited``
    epochs went by without a better one, ``rate_waited`` since the last change of the learning rate."""

    phase: str
    epoch: int = 0
    learning_rate: float = 0.0
    best: float = -1.0
    waited: int = 0
    rate_waited: int = 0
    finished: bool = False
    history: tuple[EpochRow, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Checkpoint:
    """A state with the values of the network's and the optimizer's variables, and the best network's."""

    state: State
    network: list[Array]
    optimizer: list[Array]
    best_network: list[Array]


def save_checkpoint(folder: Path, fingerprint: str, checkpoint: Checkpoint) -> None:
    """Write the checkpoint; it appears whole or not at all. Raises TrainingError where it cannot be written."""
    arrays = {
        f"{name}{number:04d}": value
        for name, values in (
            ("network", checkpoint.network),
            ("optimizer", checkpoint.optimizer),
            ("best", checkpoint.best_network),
        )
        for number, value in enumerate(values)
    }
    about = json.dumps({"fingerprint": fingerprint, "state": asdict(checkpoint.state)})
    partial = folder / f"{_FILE_NAME}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, about=np.array(about), **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / _FILE_NAME)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"{folder}: the checkpoint cannot be written ({error.strerror or error}); make room and run the same "
            "command again, it goes on from the last checkpoint"
        ) from error


def load_checkpoint(folder: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint in ``folder``, or None where there is none.

    Raises TrainingError for a damaged one and for one of another recipe, data set or network.
    """
    path = folder / _FILE_NAME
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            groups = {
                name: [stored[key] for key in sorted(stored.files) if key.startswith(name)]
                for name in ("network", "optimizer", "best")
            }
        fields = about["state"]
        fields["history"] = tuple(EpochRow(**row) for row in fields["history"])
        state, found = State(**fields), about["fingerprint"]
    # A zip file cut short raises whatever its parser stumbled over.
    except Exception as error:
        raise TrainingError(f"{path}: is damaged ({error}); delete {folder} to start anew") from error
    if found != fingerprint:
        raise TrainingError(
            f"{folder}: holds a training with another recipe, data set or starting weights; finish that one, "
            "choose another --out, or give --overwrite to drop it"
        )
    return Checkpoint(state, groups["network"], groups["optimizer"], groups["best"])


def history_text(rows: Sequence[EpochRow]) -> str:
    """``history.csv``: one line an epoch."""
    names = list(EpochRow.__dataclass_fields__)
    lines = [",".join(names)]
    for row in rows:
        values = asdict(row)
        lines.append(",".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values.values()))
    return "\n".join(lines) + "\n"
