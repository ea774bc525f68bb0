"""Opening a data set by name, and taking a smaller one out of it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from ..errors import DataError, UsageError
from .class_folders import open_class_folders
from .flat_folder import open_flat_folder
from .generated import open_phantom
from .ham10000 import open_ham10000
from .items import Dataset, ImageItem, ImageProblem

__all__ = ["Dataset", "ImageItem", "ImageProblem", "balanced_limit", "open_dataset", "stratified_limit"]

_FORMS = "folder:DIR (one sub-folder per class), ham10000:DIR, images:DIR (without labels) or phantom"


def open_dataset(source: str, *, metadata: Path | None = None) -> Dataset:
    """The data set that ``source`` names; no image is opened yet.

    ``folder:DIR``, ``ham10000:DIR``, ``images:DIR`` (without labels) or ``phantom``.
    ``phantom`` or ``phantom:count=400,size=96,seed=0`` are generated images, see ``open_phantom``.

    ``metadata`` is a CSV file with the columns image_id and dx (optionally lesion_id) for ``ham10000:``, in
    place of the folder's own. See ``open_class_folders``, ``open_ham10000`` and ``open_flat_folder`` for what each
    form accepts. Raises DataError for a source or folder that is not as described, UsageError for metadata with
    ``folder:``, ``images:`` or ``phantom``.
    """
    source = source.strip()
    prefix, colon, location = source.partition(":")
    prefix = prefix.strip().lower()
    location = location.strip()
    if prefix == "phantom":
        if metadata is not None:
            raise UsageError("--metadata does not go with phantom, whose images are generated with their labels")
        return open_phantom(source, location)
    if not colon or prefix not in ("folder", "ham10000", "images"):
        is_path = not colon or len(prefix) == 1  # one letter is a Windows drive
        hint = f"write folder:{source} or ham10000:{source}" if is_path else f"expected {_FORMS}"
        raise DataError(f"data source {source!r} has no known kind; {hint}")
    if not location:
        raise DataError(f"data source {source!r} names no folder; expected {_FORMS}")
    if prefix == "ham10000":
        return open_ham10000(source, location, metadata)
    if metadata is not None:
        what = "whose folders are the labels" if prefix == "folder" else "which has no labels"
        raise UsageError(f"--metadata does not go with {source}, {what}; use ham10000:{location}")
    return open_class_folders(source, location) if prefix == "folder" else open_flat_folder(source, location)


def stratified_limit(dataset: Dataset, limit: int, seed: int = 0) -> Dataset:
    """At most ``limit`` images, classes in their proportions, in the data set's order.

    Each class keeps at least one image when ``limit`` allows one for each. The same seed gives the same
    images on any machine. ``problems`` are left out, since the choice is made among what is there. A limit of
    the whole set or more returns the data set as it is. Raises DataError below 1.
    """
    if limit < 1:
        raise DataError(f"cannot limit {dataset.source} to {limit} images; give 1 or more")
    if limit >= len(dataset.items):
        return dataset
    counts = Counter(item.label or "" for item in dataset.items)
    return _drawn(dataset, _shares(dict(counts), limit), seed)


def balanced_limit(dataset: Dataset, limit: int, seed: int = 0) -> Dataset:
    """At most ``limit`` images, as many of each class as far as there are, in the data set's order.

    What a small class lacks, the others share. Otherwise like :func:`stratified_limit`.
    """
    if limit < 1:
        raise DataError(f"cannot limit {dataset.source} to {limit} images; give 1 or more")
    if limit >= len(dataset.items):
        return dataset
    counts = Counter(item.label or "" for item in dataset.items)
    shares = dict.fromkeys(sorted(counts), 0)
    for _ in range(limit):
        label = min((label for label in shares if shares[label] < counts[label]), key=lambda label: shares[label])
        shares[label] += 1
    return _drawn(dataset, shares, seed)


def _drawn(dataset: Dataset, shares: dict[str, int], seed: int) -> Dataset:
    groups: dict[str, list[ImageItem]] = defaultdict(list)
    for item in dataset.items:
        groups[item.label or ""].append(item)
    chosen: set[str] = set()
    for label, items in groups.items():
        ranked = sorted(items, key=lambda item: _rank(item.image_id, seed))
        chosen.update(item.image_id for item in ranked[: shares[label]])
    return replace(dataset, items=tuple(item for item in dataset.items if item.image_id in chosen), problems=())


def _rank(image_id: str, seed: int) -> bytes:
    """A place in a random-looking order, by hash, so that no library's random generator can change it."""
    return hashlib.sha256(f"{seed}/{image_id}".encode("utf-8", "surrogateescape")).digest()


def _shares(counts: dict[str, int], limit: int) -> dict[str, int]:
    """Whole numbers that add up to ``limit``, as near to the proportions as one for each class allows."""
    total = sum(counts.values())
    exact = {label: limit * count / total for label, count in counts.items()}
    least = 1 if limit >= len(counts) else 0
    shares = {label: max(least, int(share)) for label, share in exact.items()}
    labels = sorted(counts)
    while sum(shares.values()) > limit:
        reducible = (label for label in labels if shares[label] > 1)
        shares[max(reducible, key=lambda label: shares[label] - exact[label])] -= 1
    while sum(shares.values()) < limit:
        extensible = (label for label in labels if shares[label] < counts[label])
        shares[max(extensible, key=lambda label: exact[label] - shares[label])] += 1
    return shares
