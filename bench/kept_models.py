"""Copies of model files beside the runs that measured them, by content: an old build can be measured again."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from .card import CARD_NAME, LABELS_NAME, read_card
from .errors import ModelError, StoreError
from .records import ModelFile

#: Folder of the copies, in a folder of runs.
KEPT_FOLDER = "models"
_MODEL_NAME = "model.tflite"
_SHOWN = 12


def keep_models(files: Iterable[ModelFile], out: Path) -> None:
    """Copy model files, with the card, labels and split that lie beside them, below ``out``; each content once.

    Raises:
        StoreError: a file has changed since it was read, or a copy cannot be written.
    """
    for file in {file.sha256: file for file in files}.values():
        place = kept_path(out, file.sha256).parent
        if place.is_dir():
            continue
        partial = place.with_name(f".{place.name}.partial-{os.getpid()}")
        try:
            partial.mkdir(parents=True)
            _copy(Path(file.path), partial)
            if _sha256(partial / _MODEL_NAME) != file.sha256:
                raise StoreError(f"{file.path}: has changed while it was measured; it was not kept")
            partial.rename(place)
        except OSError as error:
            if not place.is_dir():  # else another run has kept it meanwhile
                raise StoreError(f"{place}: the model could not be kept: {error.strerror or error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _copy(model: Path, place: Path) -> None:
    shutil.copyfile(model, place / _MODEL_NAME)
    folder = model.parent.resolve()
    card = read_card(folder)
    if card is None:
        return
    beside = [folder / CARD_NAME, folder / LABELS_NAME, *([card.split.path] if card.split else [])]
    for path in beside:
        if path.exists():
            shutil.copyfile(path, place / path.name)


def kept_path(out: Path, sha256: str) -> Path:
    """Return where the copy of a file with that content is, or would be."""
    return out / KEPT_FOLDER / sha256 / _MODEL_NAME


def find_model(file: ModelFile, out: Path) -> Path:
    """Return a file with the content that was measured: where it was then, else the kept copy.

    Raises:
        ModelError: neither is there.
    """
    recorded, kept = Path(file.path), kept_path(out, file.sha256)
    found = None
    for path in (recorded, kept):
        try:
            found = _sha256(path)
        except OSError:
            continue
        if found == file.sha256:
            return path
    state = (
        "is not there any more" if found is None else f"has changed since ({file.sha256[:_SHOWN]} → {found[:_SHOWN]})"
    )
    raise ModelError(
        f"{file.path}: {state}, and no copy of what was measured is in {out / KEPT_FOLDER}; name the old file instead "
        "of the run, and measure a base with --keep-models from now on",
        file.path,
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
