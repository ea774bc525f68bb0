"""A model folder's ``card.json`` and ``labels.txt``: what the person who trained the model knew."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelError, UsageError
from .images.geometry import ResizeMode
from .images.normalization import Normalization

CARD_NAME = "card.json"
LABELS_NAME = "labels.txt"


@dataclass(frozen=True)
class CardSplit:
    """The ``split.csv`` that belongs to a card, and the SHA-256 that the card has of it."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Card:
    """What a card says as far as measuring needs it. Unsaid parts are None.

    ``generated``: the model was trained with images drawn by a program.
    """

    folder: Path
    name: str | None = None
    labels: tuple[str, ...] | None = None
    resize: ResizeMode | None = None
    normalization: Normalization | None = None
    split: CardSplit | None = None
    generated: bool = False

    def digest(self) -> str:
        """Return a hash of all that it says, wherever it lies."""
        split = None if self.split is None else self.split.sha256
        said = (self.name, self.labels, self.resize, self.normalization, split, self.generated)
        return hashlib.sha256(repr(said).encode()).hexdigest()


def read_card(folder: Path) -> Card | None:
    """Return the card of a model folder, or None where it has neither card nor labels.

    Raises:
        ModelError: a card or labels file that cannot be understood.
    """
    labels_path, card_path = folder / LABELS_NAME, folder / CARD_NAME
    data = _read_json(card_path) if card_path.exists() else {}
    labels = _card_labels(card_path, data)
    if labels_path.exists():
        listed = read_labels(labels_path)
        if labels is not None and labels != listed:
            raise ModelError(f"{labels_path} and {card_path.name} beside it name different labels; remove one of them")
        labels = listed
    if not data and labels is None:
        return None
    preprocessing = data.get("preprocessing", {})
    if not isinstance(preprocessing, Mapping):
        raise ModelError(f"{card_path}: 'preprocessing' must be an object")
    name = data.get("name")
    if name is not None and not isinstance(name, str):
        raise ModelError(f"{card_path}: 'name' must be text")
    return Card(
        folder=folder,
        name=name or None,
        labels=labels,
        resize=_resize(card_path, preprocessing),
        normalization=_normalization(card_path, preprocessing),
        split=_split(card_path, data.get("split")),
        generated=data.get("generated") is True,
    )


def read_labels(path: Path) -> tuple[str, ...]:
    """Return one label a line, in the model's output order; blank lines at the end are ignored.

    Raises:
        ModelError: unreadable, empty, or a repeated label.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as a text file of labels: {error}") from error
    labels = tuple(line.strip() for line in lines)
    while labels and not labels[-1]:
        labels = labels[:-1]
    if not labels or "" in labels:
        raise ModelError(f"{path}: must hold one label a line, without gaps")
    return _unrepeated(path, labels)


def _unrepeated(path: Path, labels: tuple[str, ...]) -> tuple[str, ...]:
    repeated = next((label for label, count in Counter(labels).items() if count > 1), None)
    if repeated is not None:
        raise ModelError(f"{path}: the label {repeated!r} stands there twice")
    return labels


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path}: must hold a JSON object")
    return data


def _split(path: Path, data: Any) -> CardSplit | None:
    if data is None:
        return None
    if not isinstance(data, Mapping) or not all(isinstance(data.get(name), str) for name in ("file", "sha256")):
        raise ModelError(f"{path}: 'split' needs 'file' and 'sha256'")
    if Path(data["file"]).name != data["file"]:
        raise ModelError(f"{path}: 'split.file' is {data['file']!r}; it must be a file's name in the same folder")
    return CardSplit(path.parent / data["file"], data["sha256"])


def _card_labels(path: Path, data: Mapping[str, Any]) -> tuple[str, ...] | None:
    labels = data.get("labels")
    if labels is None:
        return None
    named = isinstance(labels, list) and all(isinstance(label, str) and label.strip() for label in labels)
    if not named or not labels:
        raise ModelError(f"{path}: 'labels' must be a list of names in the model's output order")
    return _unrepeated(path, tuple(label.strip() for label in labels))


def _resize(path: Path, preprocessing: Mapping[str, Any]) -> ResizeMode | None:
    text = preprocessing.get("resize")
    if text is None:
        return None
    try:
        return ResizeMode(text)
    except ValueError:
        modes = ", ".join(mode.value for mode in ResizeMode)
        raise ModelError(f"{path}: 'preprocessing.resize' is {text!r}; known: {modes}") from None


def _normalization(path: Path, preprocessing: Mapping[str, Any]) -> Normalization | None:
    data = preprocessing.get("normalization")
    if data is None:
        return None
    try:
        if not isinstance(data["mean"], list) or not isinstance(data["std"], list):
            raise TypeError
        mean = tuple(float(value) for value in data["mean"])
        std = tuple(float(value) for value in data["std"])
        name = str(data.get("name", "card"))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ModelError(f"{path}: 'preprocessing.normalization' needs 'mean' and 'std' as lists of numbers") from None
    if not mean or not std or any(value == 0 for value in std):
        raise ModelError(f"{path}: 'preprocessing.normalization' has an empty mean or a std of 0")
    try:
        return Normalization(name, mean, std)
    except UsageError as error:
        raise ModelError(f"{path}: {error}") from None
