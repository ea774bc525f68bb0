"""The cache on disk: one folder per entry, with ``pixels.npy`` and ``index.json``.

``pixels.npy`` is an ordinary NumPy file, uint8 [N, height, width, channels], that any process can map with
``np.load(path, mmap_mode="r")``. ``index.json`` says which image is which row, and which images were skipped
and why.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from ..errors import DataError
from .decode import GrayscalePolicy
from .files import user_path
from .generated import generator_digest
from .geometry import Geometry
from .items import ImageItem

FORMAT_VERSION = 1
PIXELS_NAME = "pixels.npy"
INDEX_NAME = "index.json"
# NumPy's own headers have 128 bytes for such shapes as well. Of fixed size, it can be rewritten with the
# final N.
HEADER_BYTES = 128
_KEY_DIGITS = 20
_BUILDING_SUFFIX = ".building"
_STALE_S = 24 * 3600
_PUBLISH_ATTEMPTS = 5


@dataclass(frozen=True)
class Index:
    """Image ids in the order of the rows, and the reason for each image without a row."""

    image_ids: tuple[str, ...]
    skipped: Mapping[str, str]


def default_cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """EDGEBENCH_CACHE, else $XDG_CACHE_HOME/edgebench, else ~/.cache/edgebench."""
    if environ.get("EDGEBENCH_CACHE"):
        return user_path(environ["EDGEBENCH_CACHE"])
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says to ignore relative paths.
    return (base if base.is_absolute() else user_path("~/.cache")) / "edgebench"


def entry_key(items: Sequence[ImageItem], geometry: Geometry, grayscale: GrayscalePolicy) -> str:
    """A folder name that changes whenever the pixels could.

    That is with any file's id, place, size or time, any generated image's recipe, the order of images,
    geometry, grayscale policy, this format or Pillow's major version. Labels are not part of it.
    """
    digest = hashlib.sha256()
    head = [FORMAT_VERSION, PIL.__version__.split(".")[0], geometry.key(), grayscale.value]
    digest.update(json.dumps(head).encode())
    folders: dict[Path, Path] = {}
    for item in items:
        if item.recipe is not None:
            digest.update(json.dumps([item.image_id, item.recipe, generator_digest()]).encode())
            continue
        if item.path.parent not in folders:
            folders[item.path.parent] = item.path.parent.resolve()
        place = folders[item.path.parent] / item.path.name
        try:
            if place.is_symlink():
                place = place.resolve()
            found = place.stat()
            state = (found.st_size, found.st_mtime_ns)
        # resolve() tells of links in a circle by RuntimeError before Python 3.13.
        except (OSError, RuntimeError):
            state = (-1, -1)
        digest.update(json.dumps([item.image_id, str(place), *state]).encode())
    return f"{geometry.key()}-{digest.hexdigest()[:_KEY_DIGITS]}"


def header(count: int, geometry: Geometry) -> bytes:
    """The NumPy file header (format 1.0) of ``count`` images, always HEADER_BYTES long."""
    shape = (count, geometry.height, geometry.width, geometry.channels)
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER_BYTES - 10)
    return magic + text.ljust(HEADER_BYTES - 11).encode("ascii") + b"\n"


def image_bytes(geometry: Geometry) -> int:
    """Size of one image's pixels."""
    return geometry.height * geometry.width * geometry.channels


def load_index(entry: Path, image_ids: Sequence[str], geometry: Geometry) -> Index | None:
    """The index of a whole and fitting cache entry; None where it is absent, half-written or damaged."""
    try:
        content = json.loads((entry / INDEX_NAME).read_text(encoding="ascii"))
        index = Index(tuple(content["image_ids"]), dict(content["skipped"]))
        pixels_path = entry / PIXELS_NAME
        with pixels_path.open("rb") as file:
            found_header = file.read(HEADER_BYTES)
        size_bytes = pixels_path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    count = len(index.image_ids)
    whole = (
        content.get("format_version") == FORMAT_VERSION
        and found_header == header(count, geometry)
        and size_bytes == HEADER_BYTES + count * image_bytes(geometry)
        and all(isinstance(reason, str) for reason in index.skipped.values())
        and index.image_ids == tuple(image_id for image_id in image_ids if image_id not in index.skipped)
    )
    return index if whole and count > 0 else None


def write_index(entry: Path, index: Index) -> None:
    """Writes index.json, the last step of building an entry."""
    content = {
        "format_version": FORMAT_VERSION,
        "image_ids": list(index.image_ids),
        "skipped": dict(index.skipped),
    }
    (entry / INDEX_NAME).write_text(json.dumps(content), encoding="ascii")


@contextlib.contextmanager
def building(cache_dir: Path, key: str, needed_bytes: int) -> Iterator[Path]:
    """A new folder beside the final one to build an entry in, removed afterwards unless it was published.

    Raises DataError where there is too little space, and for any OSError while building: disk full,
    read-only.
    """
    folder = cache_dir / f".{key}.{os.getpid()}-{secrets.token_hex(4)}{_BUILDING_SUFFIX}"
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        _remove_stale(cache_dir)
        free_bytes = shutil.disk_usage(cache_dir).free
        if free_bytes < needed_bytes:
            raise DataError(
                f"the image cache needs {needed_bytes / 1e6:.1f} MB "
                f"and {cache_dir} has {free_bytes / 1e6:.1f} MB free; "
                "make room or set EDGEBENCH_CACHE to a folder on a larger disk"
            )
        folder.mkdir()
        yield folder
    except OSError as error:
        raise DataError(
            f"the image cache in {cache_dir} cannot be written ({error.strerror or error}); "
            "set EDGEBENCH_CACHE to a folder that can"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(built: Path, entry: Path, image_ids: Sequence[str], geometry: Geometry) -> None:
    """Moves a built entry into its place in one step; one that another process finished first is kept.

    What is there but damaged is moved aside first, so that processes which have it mapped keep their pages.
    """
    for attempt in range(_PUBLISH_ATTEMPTS):
        try:
            built.rename(entry)
            return
        except OSError:
            if load_index(entry, image_ids, geometry) is not None:
                return
            if attempt == _PUBLISH_ATTEMPTS - 1:
                raise
        aside = built.with_name(f".{entry.name}.{secrets.token_hex(4)}{_BUILDING_SUFFIX}")
        # Another process may have moved it just before; the next attempt sees what is there then.
        with contextlib.suppress(FileNotFoundError):
            entry.rename(aside)
        _remove(aside)


def map_pixels(path: Path) -> np.memmap[tuple[int, int, int, int], np.dtype[np.uint8]]:
    """The pixels as a read-only map. Raises DataError where the file has gone since."""
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"cached pixels {path} cannot be read any more ({error}); run again to rebuild them") from error
    return pixels  # type: ignore[no-any-return]


def _remove_stale(cache_dir: Path) -> None:
    """Removes what builds left that were killed; none that is alive is a day old."""
    for folder in cache_dir.glob(f".*{_BUILDING_SUFFIX}"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_S:
                _remove(folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
