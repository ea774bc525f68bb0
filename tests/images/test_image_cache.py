"""The decode-once cache: what it holds, when it is reused and when it is rebuilt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from edgebench.errors import DataError
from edgebench.images import cache as cache_module
from edgebench.images import pixel_store
from edgebench.images.cache import CachedImages, GrayscalePolicy, cached_images, default_cache_dir
from edgebench.images.dataset import Dataset, ImageItem, open_dataset
from edgebench.images.decode import decode
from edgebench.images.geometry import Geometry, ResizeMode, fit
from PIL import Image

MakeImage = Callable[..., Path]
SMALL = Geometry(8, 10, 3, ResizeMode.STRETCH)


class Count:
    """A progress callback that counts decoded images."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.calls.append((done, total))


def pixels_of(item: ImageItem, geometry: Geometry = SMALL) -> npt.NDArray[np.uint8]:
    with Image.open(item.path) as image:
        return fit(image, geometry)


def entries(cache_dir: Path) -> list[str]:
    return sorted(path.name for path in cache_dir.iterdir()) if cache_dir.is_dir() else []


def test_pixels_are_the_fitted_images_in_order(dataset: Dataset, cache_dir: Path) -> None:
    cached = cached_images(dataset, SMALL, cache_dir=cache_dir, jobs=3)
    pixels = cached.pixels
    assert isinstance(pixels, np.memmap)
    assert pixels.shape == (8, 8, 10, 3)
    assert pixels.dtype == np.uint8
    assert not pixels.flags.writeable
    assert cached.items == dataset.items
    for row, item in zip(pixels, cached.items, strict=True):
        np.testing.assert_array_equal(row, pixels_of(item))


def test_another_process_can_map_the_file(dataset: Dataset, cache_dir: Path) -> None:
    cached = cached_images(dataset, SMALL, cache_dir=cache_dir)
    code = "import sys, numpy; print(int(numpy.load(sys.argv[1], mmap_mode='r').astype(int).sum()))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(cached.pixels_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == int(cached.pixels.astype(int).sum())


def test_second_call_decodes_nothing(dataset: Dataset, cache_dir: Path) -> None:
    progress = Count()
    first = cached_images(dataset, SMALL, cache_dir=cache_dir, progress=progress)
    assert progress.calls == [(number, 8) for number in range(1, 9)]
    again = Count()
    assert cached_images(dataset, SMALL, cache_dir=cache_dir, progress=again) == first
    assert again.calls == []
    assert len(entries(cache_dir)) == 1


def test_relabelled_data_reuse_the_pixels(dataset: Dataset, cache_dir: Path) -> None:
    first = cached_images(dataset, SMALL, cache_dir=cache_dir)
    relabelled = replace(dataset, items=tuple(replace(item, label="x", lesion_id="l") for item in dataset.items))
    progress = Count()
    second = cached_images(relabelled, SMALL, cache_dir=cache_dir, progress=progress)
    assert second.pixels_path == first.pixels_path
    assert progress.calls == []
    assert {(item.label, item.lesion_id) for item in second.items} == {("x", "l")}


def test_key_follows_everything_that_changes_pixels(
    dataset: Dataset, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def path(data: Dataset = dataset, geometry: Geometry = SMALL, **options: object) -> Path:
        return cached_images(data, geometry, cache_dir=cache_dir, **options).pixels_path  # type: ignore[arg-type]

    paths = [path(), path(grayscale=GrayscalePolicy.CONVERT)]
    paths += [path(geometry=replace(SMALL, mode=mode)) for mode in (ResizeMode.CROP, ResizeMode.PAD)]
    paths += [
        path(geometry=replace(SMALL, channels=1)),
        path(geometry=Geometry(10, 8, 3, ResizeMode.STRETCH)),
    ]
    paths.append(path(replace(dataset, items=dataset.items[::-1])))
    paths.append(path(replace(dataset, items=dataset.items[1:])))
    os.utime(dataset.items[0].path, ns=(1, 1))
    paths.append(path())
    Image.new("RGB", (9, 9)).save(dataset.items[0].path)
    os.utime(dataset.items[0].path, ns=(1, 1))
    paths.append(path())
    monkeypatch.setattr("PIL.__version__", "1.0.0")
    paths.append(path())
    monkeypatch.setattr(pixel_store, "FORMAT_VERSION", 0)
    paths.append(path())
    assert len(set(paths)) == len(paths)


def test_a_link_to_the_folder_finds_the_same_entry(dataset: Dataset, class_folders: Path, cache_dir: Path) -> None:
    first = cached_images(dataset, SMALL, cache_dir=cache_dir)
    link = class_folders.parent / "link"
    link.symlink_to(class_folders, target_is_directory=True)
    assert cached_images(open_dataset(f"folder:{link}"), SMALL, cache_dir=cache_dir).pixels_path == first.pixels_path


def truncate_pixels(entry: Path) -> None:
    with (entry / "pixels.npy").open("r+b") as file:
        file.truncate(500)


def append_pixels(entry: Path) -> None:
    with (entry / "pixels.npy").open("ab") as file:
        file.write(b"x")


def other_header(entry: Path) -> None:
    with (entry / "pixels.npy").open("r+b") as file:
        file.write(b"\x93NUMPY\x02")


def other_ids(entry: Path) -> None:
    index = json.loads((entry / "index.json").read_text())
    index["image_ids"].reverse()
    (entry / "index.json").write_text(json.dumps(index))


def file_in_its_place(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("a file")


def empty_folder_in_its_place(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.mkdir()


DAMAGE: list[Callable[[Path], object]] = [
    truncate_pixels,
    append_pixels,
    other_header,
    other_ids,
    lambda entry: (entry / "index.json").unlink(),
    lambda entry: (entry / "pixels.npy").unlink(),
    lambda entry: (entry / "index.json").write_text('{"format_version": 1, "ima'),
    lambda entry: (entry / "index.json").write_text("[]"),
    lambda entry: (entry / "index.json").write_bytes(b"\xff\xfe"),
    lambda entry: (entry / "index.json").write_text('{"format_version": 1, "image_ids": 3, "skipped": {}}'),
    file_in_its_place,
    empty_folder_in_its_place,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_rebuilt(dataset: Dataset, cache_dir: Path, damage: Callable[[Path], object]) -> None:
    first = cached_images(dataset, SMALL, cache_dir=cache_dir)
    expected = np.array(first.pixels)
    damage(first.pixels_path.parent)
    again = cached_images(dataset, SMALL, cache_dir=cache_dir)
    assert again == first
    np.testing.assert_array_equal(again.pixels, expected)
    assert entries(cache_dir) == [first.pixels_path.parent.name]


def test_pixels_that_vanished(dataset: Dataset, cache_dir: Path) -> None:
    cached = cached_images(dataset, SMALL, cache_dir=cache_dir)
    shutil.rmtree(cache_dir)
    with pytest.raises(DataError, match="run again"):
        _ = cached.pixels


def test_two_processes_at_once(dataset: Dataset, class_folders: Path, cache_dir: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from edgebench.images.cache import cached_images\n"
        "from edgebench.images.dataset import open_dataset\n"
        "from edgebench.images.geometry import Geometry, ResizeMode\n"
        "got = cached_images(open_dataset(sys.argv[1]), Geometry(8, 10, 3, ResizeMode.STRETCH),"
        " cache_dir=Path(sys.argv[2]), jobs=1)\n"
        "print(int(got.pixels.astype(int).sum()))\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code, f"folder:{class_folders}", str(cache_dir)]
    running = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], answers
    assert len({output for output, _ in answers}) == 1
    assert len(entries(cache_dir)) == 1
    assert cached_images(dataset, SMALL, cache_dir=cache_dir).items == dataset.items


def test_an_entry_that_another_process_finished_first_is_kept(dataset: Dataset, cache_dir: Path) -> None:
    inner: list[CachedImages] = []

    def build_the_same_meanwhile(done: int, total: int) -> None:
        if done == total:
            inner.append(cached_images(dataset, SMALL, cache_dir=cache_dir))

    outer = cached_images(dataset, SMALL, cache_dir=cache_dir, progress=build_the_same_meanwhile)
    assert outer == inner[0]
    assert entries(cache_dir) == [outer.pixels_path.parent.name]


def test_few_images_are_in_memory_at_a_time(dataset: Dataset, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Path] = []

    def counting(path: Path, geometry: Geometry, grayscale: GrayscalePolicy) -> npt.NDArray[np.uint8]:
        started.append(path)
        return decode(path, geometry, grayscale)

    monkeypatch.setattr("edgebench.images.cache.decode", counting)
    ahead: list[int] = []
    cached_images(
        dataset,
        SMALL,
        cache_dir=cache_dir,
        jobs=1,
        progress=lambda done, total: ahead.append(len(started) - done),
    )
    assert max(ahead) <= cache_module._IN_FLIGHT_PER_JOB


def test_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    home_cache = tmp_path / ".cache" / "edgebench"
    assert default_cache_dir({}) == home_cache
    assert default_cache_dir({"EDGEBENCH_CACHE": "", "XDG_CACHE_HOME": "relative"}) == home_cache
    assert default_cache_dir({"XDG_CACHE_HOME": "/x"}) == Path("/x/edgebench")
    assert default_cache_dir({"EDGEBENCH_CACHE": "~/c", "XDG_CACHE_HOME": "/x"}) == tmp_path / "c"


def test_environment_is_used(dataset: Dataset, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_CACHE", str(cache_dir))
    assert cached_images(dataset, SMALL).pixels_path.parent.parent == cache_dir
