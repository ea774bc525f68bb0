"""Three-way splits by lesion: which images a model may learn from, and which judge it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..errors import DataError, UsageError
from .items import ImageItem, some_names

SPLIT_NAME = "split.csv"
DEFAULT_FRACTIONS = (0.70, 0.15, 0.15)
_COLUMNS = ("image_id", "lesion_id", "label", "split", "content")
_CONTENT_DIGITS = 16
_LEAST_LESIONS = 3


class Part(str, Enum):
    """A part of a split."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class SplitRow:
    """One image. ``lesion_id`` is the image's own id where the source knows no lesions; ``content`` is the
    start of the SHA-256 of the file (or of what the image is generated from), in hex."""

    image_id: str
    lesion_id: str
    label: str
    part: Part
    content: str


@dataclass(frozen=True)
class Split:
    """All images of a split, sorted by id."""

    rows: tuple[SplitRow, ...]

    def part(self, part: Part) -> tuple[SplitRow, ...]:
        """The rows of one part."""
        return tuple(row for row in self.rows if row.part is part)

    def counts(self) -> dict[str, dict[str, int]]:
        """Images and lesions of each part: ``{"train": {"images": 7000, "lesions": 5229}, ...}``."""
        return {
            part.value: {"images": len(rows), "lesions": len({row.lesion_id for row in rows})}
            for part in Part
            for rows in [self.part(part)]
        }


def make_split(
    items: Sequence[ImageItem], fractions: tuple[float, float, float] = DEFAULT_FRACTIONS, seed: int = 0
) -> Split:
    """Split images into train, validation and test so that no lesion is in two parts.

    Each class's lesions are shared out by ``fractions``, at least one to each part, in an order that depends
    only on their ids and ``seed``. Byte-identical files count as one lesion, whatever the metadata says.
    Raises UsageError for impossible fractions, DataError for a class with fewer than three lesions or an
    unreadable file.
    """
    _check_fractions(fractions)
    contents = content_digests(items)
    groups = _groups(items, contents)
    by_class: dict[str, list[str]] = defaultdict(list)
    labels = {key: Counter(item.label or "" for item in members) for key, members in groups.items()}
    for key in groups:
        by_class[min(labels[key], key=lambda label: (-labels[key][label], label))].append(key)
    _check_classes(by_class)
    parts: dict[str, Part] = {}
    for keys in by_class.values():
        parts.update(_share_out(sorted(keys, key=lambda key: _rank(key, seed)), fractions))
    rows = [
        SplitRow(item.image_id, lesion_of(item), item.label or "", parts[key], contents[item.image_id])
        for key, members in groups.items()
        for item in members
    ]
    return Split(tuple(sorted(rows, key=lambda row: row.image_id)))


def lesion_of(item: ImageItem) -> str:
    """The lesion an image belongs to; an image without one is a lesion of its own."""
    return item.lesion_id or item.image_id


def content_digests(items: Iterable[ImageItem]) -> dict[str, str]:
    """The start of the SHA-256 of each image's file by image id. Raises DataError for an unreadable file."""
    listed = list(items)
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="hash") as executor:
        return dict(zip((item.image_id for item in listed), executor.map(_content, listed), strict=True))


def _content(item: ImageItem) -> str:
    if item.recipe is not None:
        return hashlib.sha256(item.recipe.encode()).hexdigest()[:_CONTENT_DIGITS]
    try:
        return hashlib.sha256(item.path.read_bytes()).hexdigest()[:_CONTENT_DIGITS]
    except OSError as error:
        raise DataError(f"{item.path}: cannot be read ({error.strerror}); check the file") from error


def _check_fractions(fractions: Sequence[float]) -> None:
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1.0) > 1e-6:
        shown = ", ".join(f"{value:g}" for value in fractions)
        raise UsageError(f"split fractions {shown}: give three shares above 0 that add up to 1")


def _check_classes(by_class: Mapping[str, Sequence[str]]) -> None:
    small = [f"class {label} has {len(keys)}" for label, keys in sorted(by_class.items()) if len(keys) < _LEAST_LESIONS]
    if small:
        raise DataError(
            f"{', '.join(small)} lesions, at least {_LEAST_LESIONS} needed (one each for train, validation and "
            "test); add images or leave the class out"
        )


def _groups(items: Sequence[ImageItem], contents: Mapping[str, str]) -> dict[str, list[ImageItem]]:
    """Images by group: lesions, joined where they share a byte-identical image. The key is the least lesion."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    first_lesion: dict[str, str] = {}
    for item in items:
        one = root(lesion_of(item))
        other = root(first_lesion.setdefault(contents[item.image_id], one))
        parent[max(one, other)] = min(one, other)
    groups: dict[str, list[ImageItem]] = defaultdict(list)
    for item in items:
        groups[root(lesion_of(item))].append(item)
    return groups


def _rank(key: str, seed: int) -> bytes:
    return hashlib.sha256(f"split/{seed}/{key}".encode("utf-8", "surrogateescape")).digest()


def _share_out(keys: Sequence[str], fractions: tuple[float, float, float]) -> dict[str, Part]:
    validation = max(1, round(fractions[1] * len(keys)))
    test = max(1, round(fractions[2] * len(keys)))
    while len(keys) - validation - test < 1:
        validation, test = (validation - 1, test) if validation >= test else (validation, test - 1)
    parts = [Part.TEST] * test + [Part.VALIDATION] * validation
    parts += [Part.TRAIN] * (len(keys) - len(parts))
    return dict(zip(keys, parts, strict=True))


def split_text(split: Split) -> str:
    """``split.csv`` as text: image_id, lesion_id, label, split, content."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((row.image_id, row.lesion_id, row.label, row.part.value, row.content) for row in split.rows)
    return text.getvalue()


def split_digest(split: Split) -> str:
    """SHA-256 of ``split.csv`` in hex."""
    return hashlib.sha256(split_text(split).encode()).hexdigest()


def read_split(path: Path, sha256: str | None = None) -> Split:
    """The split in a ``split.csv``.

    Raises DataError where the file is missing, is not a split, or is another than the one with ``sha256``.
    """
    try:
        content = path.read_bytes()
        table = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except FileNotFoundError as error:
        raise DataError(f"{path}: the card names this split and it is not there; get the whole folder") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a split ({error}); get the whole folder again") from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{path}: is not the split that card.json names by its sha256; get the whole folder again")
    if not table or tuple(table[0]) != _COLUMNS:
        raise DataError(f"{path}: is no split; its first line must be {','.join(_COLUMNS)}")
    return Split(tuple(_row(path, number, fields) for number, fields in enumerate(table[1:], start=2)))


def _row(path: Path, number: int, fields: Sequence[str]) -> SplitRow:
    parts = {part.value: part for part in Part}
    if len(fields) != len(_COLUMNS) or fields[3] not in parts:
        raise DataError(f"{path}: line {number} is no row of a split ({some_names(fields)}); get the file again")
    return SplitRow(fields[0], fields[1], fields[2], parts[fields[3]], fields[4])
