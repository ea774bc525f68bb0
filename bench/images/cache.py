"""Decoding and resizing a whole data set once; every later run, and every process, maps the result."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import DataError, UsageError
from .decode import GrayscalePolicy, UnusableImageError, decode
from .files import user_path
from .generated import draw
from .geometry import Geometry
from .items import Dataset, ImageItem, ImageProblem, some_names
from .pixel_store import (
    HEADER_BYTES,
    PIXELS_NAME,
    Index,
    building,
    default_cache_dir,
    entry_key,
    header,
    image_bytes,
    load_index,
    map_pixels,
    publish,
    write_index,
)

__all__ = ["CachedImages", "GrayscalePolicy", "cached_images", "default_cache_dir"]

Progress = Callable[[int, int], None]
_MAX_DEFAULT_JOBS = 8
_IN_FLIGHT_PER_JOB = 4


@dataclass(frozen=True)
class CachedImages:
    """Decoded images: row i of the pixel file belongs to ``items[i]``.

    ``skipped`` has every image that could not be used, the data set's own problems included.
    """

    pixels_path: Path
    items: tuple[ImageItem, ...]
    skipped: tuple[ImageProblem, ...]
    geometry: Geometry

    @property
    def pixels(self) -> np.memmap[tuple[int, int, int, int], np.dtype[np.uint8]]:
        """uint8 [N, height, width, channels], read-only, mapped anew at each access: keep it in a variable.

        Raises DataError where the cache was removed since.
        """
        return map_pixels(self.pixels_path)


def cached_images(
    dataset: Dataset,
    geometry: Geometry,
    *,
    cache_dir: Path | None = None,
    grayscale: GrayscalePolicy = GrayscalePolicy.SKIP,
    max_bad_fraction: float = 0.05,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> CachedImages:
    """The data set's pixels from the cache, decoded first where they are not there yet.

    ``progress(done, total)`` is called in the caller's thread after each image that is decoded, never when
    the cache had them. ``jobs`` threads decode, by default one per usable core up to 8. Images that cannot be
    used are skipped with a reason. Raises DataError when skipped / all is above ``max_bad_fraction``, when no
    image is usable, when files change meanwhile, and when the cache cannot be written; UsageError for
    arguments out of range.
    """
    jobs = _checked_jobs(jobs)
    if not 0.0 <= max_bad_fraction <= 1.0:
        raise UsageError(f"the allowed fraction of bad images is {max_bad_fraction}; give 0 to 1")
    cache_dir = user_path(cache_dir) if cache_dir is not None else default_cache_dir()
    image_ids = [item.image_id for item in dataset.items]
    key = entry_key(dataset.items, geometry, grayscale)
    entry = cache_dir / key
    index = load_index(entry, image_ids, geometry)
    if index is None:
        needed_bytes = HEADER_BYTES + len(image_ids) * image_bytes(geometry)
        with building(cache_dir, key, needed_bytes) as folder:
            index = _build(folder, dataset.items, geometry, grayscale, jobs, progress)
            if entry_key(dataset.items, geometry, grayscale) != key:
                raise DataError(f"{dataset.source}: image files changed while they were read; run again")
            if index.image_ids:
                publish(folder, entry, image_ids, geometry)
    cached = _with_current_items(dataset, index, entry / PIXELS_NAME, geometry)
    _check_bad(dataset, cached.skipped, max_bad_fraction)
    return cached


def _with_current_items(dataset: Dataset, index: Index, pixels_path: Path, geometry: Geometry) -> CachedImages:
    """The entry's rows with the labels that the data set has now."""
    skipped = dataset.problems + tuple(
        ImageProblem(item.image_id, item.path, index.skipped[item.image_id])
        for item in dataset.items
        if item.image_id in index.skipped
    )
    items = tuple(item for item in dataset.items if item.image_id not in index.skipped)
    return CachedImages(pixels_path, items, skipped, geometry)


def _checked_jobs(jobs: int | None) -> int:
    if jobs is None:
        has_affinity = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
        return min(cores, _MAX_DEFAULT_JOBS)
    if jobs < 1:
        raise UsageError(f"cannot decode images with {jobs} jobs; give 1 or more")
    return jobs


def _build(
    folder: Path,
    items: tuple[ImageItem, ...],
    geometry: Geometry,
    grayscale: GrayscalePolicy,
    jobs: int,
    progress: Progress | None,
) -> Index:
    """Writes the entry's files into ``folder``.

    Pixels are appended in order with plain writes rather than through a map: a full disk is then an OSError,
    where a map would kill the process, and skipped images leave no gaps.
    """
    image_ids: list[str] = []
    skipped: dict[str, str] = {}
    # Closed here and not by the garbage collector, so that an error stops the threads before the folder goes.
    with (
        (folder / PIXELS_NAME).open("wb") as file,
        contextlib.closing(_decoded(items, geometry, grayscale, jobs)) as decoded,
    ):
        file.write(header(len(items), geometry))
        for done, (item, result) in enumerate(decoded, start=1):
            if isinstance(result, str):
                skipped[item.image_id] = result
            else:
                file.write(np.ascontiguousarray(result).data)
                image_ids.append(item.image_id)
            if progress is not None:
                progress(done, len(items))
        file.seek(0)
        file.write(header(len(image_ids), geometry))
    index = Index(tuple(image_ids), skipped)
    write_index(folder, index)
    return index


def _decoded(
    items: tuple[ImageItem, ...], geometry: Geometry, grayscale: GrayscalePolicy, jobs: int
) -> Generator[tuple[ImageItem, npt.NDArray[np.uint8] | str], None, None]:
    """Each item in order with its pixels or the reason why not; a few images are in memory at a time."""

    waiting: deque[tuple[ImageItem, Future[npt.NDArray[np.uint8] | str]]] = deque()
    executor = _executor(items, jobs)
    with warnings.catch_warnings():
        # Filters hold for all threads, and may only be changed here, outside them. Pillow's other warnings
        # are about metadata that the pixels do not depend on.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            for item in items:
                waiting.append((item, executor.submit(_pixels_or_reason, item, geometry, grayscale)))
                if len(waiting) >= jobs * _IN_FLIGHT_PER_JOB:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        except BrokenProcessPool as error:
            raise DataError(
                "a process that draws images died; a script that uses generated images needs its code under "
                'if __name__ == "__main__":, as Python starts processes by importing it'
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)


def _pixels_or_reason(item: ImageItem, geometry: Geometry, grayscale: GrayscalePolicy) -> npt.NDArray[np.uint8] | str:
    if item.recipe is not None:
        return draw(item.recipe, geometry)
    try:
        return decode(item.path, geometry, grayscale)
    except UnusableImageError as error:
        return str(error)


def _executor(items: tuple[ImageItem, ...], jobs: int) -> Executor:
    """Threads for files, whose decoders let go of Python's lock; processes for images that Python draws."""
    if items and items[0].recipe is not None:
        return ProcessPoolExecutor(max_workers=jobs, mp_context=multiprocessing.get_context("spawn"))
    return ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="decode")


def _check_bad(dataset: Dataset, skipped: tuple[ImageProblem, ...], max_bad_fraction: float) -> None:
    total = len(dataset.items) + len(dataset.problems)
    if total == 0:
        raise DataError(f"{dataset.source} has no images; check the data set")
    all_bad = len(skipped) == total
    bad_fraction = len(skipped) / total
    if bad_fraction <= max_bad_fraction and not all_bad:
        return
    reasons = ", ".join(f"{count} {kind}" for kind, count in Counter(item.kind for item in skipped).most_common())
    first = some_names(problem.path.name for problem in skipped)
    if all_bad:
        raise DataError(f"{dataset.source}: none of the {total} images is usable: {reasons} ({first}); fix the files")
    enough = math.ceil(bad_fraction * 1000) / 1000
    raise DataError(
        f"{dataset.source}: {len(skipped)} of {total} images are not usable: {reasons} ({first}); "
        f"fix them, or raise --max-bad from {max_bad_fraction:g} to {enough:g}"
    )
