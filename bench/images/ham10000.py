"""The ``ham10000:DIR`` source: images named by a metadata file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .files import Listing, existing_folder, list_folder, without_image_suffix
from .items import Dataset, ImageItem, ImageProblem, some_names
from .metadata import HAM10000_CODES, Metadata, MetadataRow, check_ham10000_codes, read_metadata

_PART_FOLDER = re.compile(r"images_part_\d+$", re.IGNORECASE)
_METADATA_NAMES = ("ham10000_metadata.csv", "ham10000_metadata")
# A flat folder lacking more of its rows than this is a subset made on purpose, not an incomplete copy.
_SUBSET_FRACTION = 0.10


@dataclass(frozen=True)
class _Images:
    """Image files by id. ``full_set``: laid out as the whole Kaggle set, so every row should have one."""

    by_id: dict[str, Path]
    folder: Path
    full_set: bool


def open_ham10000(source: str, location: str, metadata: Path | None) -> Dataset:
    """The images in ``location`` with labels from its HAM10000_metadata.csv or ``metadata``, sorted by id.

    Images lie in part_1/part_2 folders (every row without an image is then a problem), directly in the
    folder, or in its only sub-folder with images. There, up to a tenth of the rows without image are problems
    as well; when more are absent the folder is a subset and they are only counted, as are rows of the
    seven-class file whose label is none of the seven classes. Raises DataError where images, metadata or
    labels are not as described.
    """
    root = existing_folder(location)
    top = list_folder(root)
    table = read_metadata(metadata if metadata is not None else _find_metadata(root, top))
    images = _find_images(root, top)
    present = [row for row in table.rows if row.image_id in images.by_id]
    absent = [row for row in table.rows if row.image_id not in images.by_id]
    if not present:
        raise _no_overlap(table, images)
    if table.needs_ham10000_codes:
        check_ham10000_codes(table.path, (row.dx for row in present if row.dx))
    missing = _expected_rows(table, absent, images)
    labelled = [row for row in present if row.dx]
    if not labelled:
        raise DataError(f"{table.path}: column dx is empty for all {len(present)} images; fill in the labels")
    problems = [ImageProblem(row.image_id, images.by_id[row.image_id], "no label") for row in present if not row.dx]
    problems += [ImageProblem(row.image_id, images.folder / f"{row.image_id}.jpg", "missing file") for row in missing]
    return Dataset(
        source,
        tuple(ImageItem(row.image_id, images.by_id[row.image_id], row.dx, row.lesion_id) for row in labelled),
        tuple(sorted({row.dx for row in labelled})),
        problems=tuple(problems),
        rows_without_image=len(absent) - len(missing),
        images_without_row=len(images.by_id) - len(present),
        duplicate_rows=table.duplicate_rows,
    )


def _expected_rows(table: Metadata, absent: list[MetadataRow], images: _Images) -> list[MetadataRow]:
    """Those absent rows whose image should have been there."""
    if table.needs_ham10000_codes:
        # Left out: rows somebody added to the seven-class file for a class whose images did not come along.
        absent = [row for row in absent if row.dx in HAM10000_CODES]
    if not images.full_set and len(absent) > _SUBSET_FRACTION * len(table.rows):
        return []
    return absent


def _find_metadata(root: Path, top: Listing) -> Path:
    for wanted in _METADATA_NAMES:
        found = [path for path in top.others if path.name.lower() == wanted]
        if found:
            return found[0]
    above = root.parent / "HAM10000_metadata.csv"
    hint = f"--metadata {above}" if above.is_file() else "--metadata FILE"
    raise DataError(f"no HAM10000_metadata.csv in {root}; give the folder that has it, or add {hint}")


def _find_images(root: Path, top: Listing) -> _Images:
    parts = [folder for folder in top.folders if _PART_FOLDER.search(folder.name)]
    if parts:
        return _Images(_by_id(path for folder in parts for path in _part_images(folder)), parts[0], full_set=True)
    if top.images:
        return _Images(_by_id(top.images), root, full_set=False)
    filled = [(folder, images) for folder in top.folders if (images := list_folder(folder).images)]
    if len(filled) == 1:
        return _Images(_by_id(filled[0][1]), filled[0][0], full_set=False)
    if filled:
        names = some_names(folder.name for folder, _ in filled)
        raise DataError(f"{root} has images in several sub-folders ({names}); give one of them, with --metadata FILE")
    raise DataError(f"no images in {root} or its sub-folders; check the path, and unpack zip archives in it")


def _part_images(folder: Path) -> tuple[Path, ...]:
    """The images of a part folder, also where unpacking put it inside a folder of its own name."""
    listing = list_folder(folder)
    inner = [deeper for deeper in listing.folders if deeper.name.lower() == folder.name.lower()]
    return listing.images if listing.images or not inner else list_folder(inner[0]).images


def _by_id(paths: Iterable[Path]) -> dict[str, Path]:
    """Paths by image id. The first wins: the Kaggle archive has each image twice, in folders named alike."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(without_image_suffix(path.name), path)
    return found


def _no_overlap(table: Metadata, images: _Images) -> DataError:
    return DataError(
        f"{table.path} and the images in {images.folder} have no image in common: rows are named such as "
        f"{table.rows[0].image_id}, images such as {min(images.by_id)}; give the metadata of these images"
        if images.by_id
        else f"no images in {images.folder}; unpack the image archives there"
    )
