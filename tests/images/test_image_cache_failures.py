"""Caches that cannot be written, interrupted builds: one clear line and nothing left behind."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

import pytest
from edgebench.errors import DataError, UsageError
from edgebench.images.cache import cached_images
from edgebench.images.dataset import Dataset
from edgebench.images.geometry import Geometry, ResizeMode

SMALL = Geometry(8, 10, 3, ResizeMode.STRETCH)


class Count:
    """A progress callback that counts decoded images."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.calls.append((done, total))


def entries(cache_dir: Path) -> list[str]:
    return sorted(path.name for path in cache_dir.iterdir()) if cache_dir.is_dir() else []


@pytest.mark.parametrize("options", [{"jobs": 0}, {"max_bad_fraction": 1.1}, {"max_bad_fraction": float("nan")}])
def test_arguments_out_of_range(dataset: Dataset, cache_dir: Path, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        cached_images(dataset, SMALL, cache_dir=cache_dir, **options)  # type: ignore[arg-type]


def test_a_failing_write_leaves_nothing(dataset: Dataset, cache_dir: Path) -> None:
    """A file size limit is a real failing write, in the middle of the pixels."""
    large = Geometry(200, 200, 3, ResizeMode.STRETCH)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(DataError, match="cannot be written") as caught:
            cached_images(dataset, large, cache_dir=cache_dir)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert entries(cache_dir) == []
    assert len(cached_images(dataset, large, cache_dir=cache_dir).items) == 8


def test_too_little_space_is_known_before_decoding(
    dataset: Dataset, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(cache_dir.parent)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    progress = Count()
    with pytest.raises(DataError, match="EDGEBENCH_CACHE"):
        cached_images(dataset, SMALL, cache_dir=cache_dir, progress=progress)
    assert progress.calls == []
    assert entries(cache_dir) == []


def test_a_cache_dir_that_is_a_file(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match="cannot be written"):
            cached_images(dataset, SMALL, cache_dir=place)


def test_a_read_only_cache_dir(dataset: Dataset, cache_dir: Path) -> None:
    cache_dir.mkdir()
    cache_dir.chmod(0o555)
    try:
        if os.access(cache_dir, os.W_OK):
            pytest.skip("this user may write anywhere")
        with pytest.raises(DataError, match="cannot be written"):
            cached_images(dataset, SMALL, cache_dir=cache_dir)
    finally:
        cache_dir.chmod(0o755)


def test_images_that_change_while_read(dataset: Dataset, cache_dir: Path) -> None:
    def touch(done: int, total: int) -> None:
        os.utime(dataset.items[0].path, ns=(done, done))

    with pytest.raises(DataError, match="changed while they were read"):
        cached_images(dataset, SMALL, cache_dir=cache_dir, progress=touch)
    assert entries(cache_dir) == []


def test_an_interrupted_build_leaves_nothing(dataset: Dataset, cache_dir: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_images(dataset, SMALL, cache_dir=cache_dir, progress=interrupt)
    assert entries(cache_dir) == []


def test_leftovers_of_killed_builds_go_live_ones_stay(dataset: Dataset, cache_dir: Path) -> None:
    old, live = cache_dir / ".a.1-0.building", cache_dir / ".a.2-0.building"
    for folder in (old, live):
        folder.mkdir(parents=True)
        (folder / "pixels.npy").touch()
    os.utime(old, (1, 1))
    cached_images(dataset, SMALL, cache_dir=cache_dir)
    assert not old.exists()
    assert live.exists()
