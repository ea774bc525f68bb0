"""Reading a metadata file: which image has which label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .files import is_lfs_pointer, user_path, without_image_suffix
from .items import some_names

HAM10000_CODES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
# The long names found in copies of the metadata, one of them with a search-and-replace accident.
_LONG_NAMES = frozenset({
    "actinic keratoses",
    "actinic keratoses and intraepithelial carcinoma",
    "basal cell carcinoma",
    "benign keratosis-like lesions",
    "dermatofibroma",
    "melanocytic nevi",
    "melanoma",
    "melanomaanocytic nevi",
    "vascular lesions",
})  # fmt: skip
_LONG_NAMES_NEEDED = 3
_VALUES_SHOWN = 8
_QUOTED_CHARACTERS = 60


@dataclass(frozen=True)
class MetadataRow:
    """One image as the metadata has it. An empty ``dx`` is an image without a label."""

    image_id: str
    dx: str
    lesion_id: str | None


@dataclass(frozen=True)
class Metadata:
    """The distinct rows of a metadata file, and how many identical ones were dropped."""

    path: Path
    rows: tuple[MetadataRow, ...]
    duplicate_rows: int

    @property
    def needs_ham10000_codes(self) -> bool:
        """Whether labels must be the seven codes: by the file's name, or as they are long names of those."""
        values = {row.dx.lower() for row in self.rows if row.dx}
        long_names = len(values) >= _LONG_NAMES_NEEDED and values <= _LONG_NAMES
        return long_names or self.path.name.lower().startswith("ham10000")


def read_metadata(path: Path) -> Metadata:
    """The rows of a CSV file with the columns image_id and dx, and optionally lesion_id.

    Fields may be separated by comma, semicolon or tab; an image suffix in image_id is dropped. Raises
    DataError for a file that is missing, no such table, cut short, or contradicts itself about an image.
    """
    path = user_path(path)
    header, lines = _read_table(path)
    columns = {name.strip().lower(): position for position, name in enumerate(header)}
    if "image_id" not in columns or "dx" not in columns:
        raise _wrong_columns(path, header)
    lesion_column = columns.get("lesion_id")
    seen: dict[str, MetadataRow] = {}
    duplicate_rows = 0
    for number, fields in lines:
        if len(fields) != len(header):
            raise DataError(
                f"{path} line {number} has {len(fields)} fields and the header {len(header)}; "
                "the file is cut short or damaged, get a fresh copy"
            )
        image_id = without_image_suffix(fields[columns["image_id"]].strip())
        lesion_id = None if lesion_column is None else fields[lesion_column].strip() or None
        row = MetadataRow(image_id, fields[columns["dx"]].strip(), lesion_id)
        if not image_id:
            raise DataError(f"{path} line {number} has no image_id; fill it in or remove the row")
        if seen.setdefault(image_id, row) != row:
            raise _contradiction(path, seen[image_id], row)
        duplicate_rows += seen[image_id] is not row
    if not seen:
        raise DataError(f"{path} has a header but no rows; get a fresh copy")
    return Metadata(path, tuple(sorted(seen.values(), key=lambda row: row.image_id)), duplicate_rows)


def check_ham10000_codes(path: Path, labels: Iterable[str]) -> None:
    """Raises DataError where a label is not one of the seven codes of HAM10000, with what was seen."""
    wrong = sorted(set(labels) - set(HAM10000_CODES))
    if wrong:
        seen = some_names((repr(value) for value in wrong), _VALUES_SHOWN)
        raise DataError(
            f"{path}: column dx has {seen}, expected the codes {' '.join(HAM10000_CODES)}; use the original "
            "metadata, or for classes of your own a file whose name does not start with HAM10000"
        )


def _read_table(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and the non-empty lines with their numbers."""
    text = _read_text(path)
    first_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first_line.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        table = [(reader.line_num, fields) for fields in reader if any(field.strip() for field in fields)]
    except csv.Error as error:
        table = []
        if "image_id" in first_line.lower():
            raise DataError(f"{path} is damaged ({error}); get a fresh copy") from error
    if not table:
        raise _wrong_columns(path, [first_line])
    return table[0][1], iter(table[1:])


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"metadata file {path} does not exist; check the path") from error
    except OSError as error:
        raise DataError(f"metadata file {path} cannot be read ({error.strerror}); give a CSV file") from error
    if not content.strip():
        raise DataError(f"metadata file {path} is empty; get a fresh copy")
    if is_lfs_pointer(content):
        raise DataError(f"{path} is a Git LFS pointer, not the metadata itself; run git lfs pull")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8; save it as CSV in UTF-8") from error


def _wrong_columns(path: Path, header: list[str]) -> DataError:
    found = " ".join(", ".join(header).split())[:_QUOTED_CHARACTERS]
    return DataError(f"{path} is no image metadata: needs the columns image_id and dx, its first line is {found!r}")


def _contradiction(path: Path, first: MetadataRow, second: MetadataRow) -> DataError:
    column, values = (
        ("dx", (first.dx, second.dx)) if first.dx != second.dx else ("lesion_id", (first.lesion_id, second.lesion_id))
    )
    return DataError(
        f"{path}: image {first.image_id} is listed twice with different {column}, "
        f"{values[0]!r} and {values[1]!r}; remove the wrong row"
    )
