"""Images that cannot be used: each with its reason, and how many of them are allowed."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from edgebench.errors import DataError
from edgebench.images.cache import GrayscalePolicy, cached_images
from edgebench.images.dataset import Dataset, ImageItem, ImageProblem, open_dataset
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


def with_file(dataset: Dataset, path: Path) -> Dataset:
    return replace(dataset, items=(ImageItem("odd", path, "nv"), *dataset.items))


def skipped_reason(dataset: Dataset, path: Path, cache_dir: Path, geometry: Geometry = SMALL) -> str:
    cached = cached_images(with_file(dataset, path), geometry, cache_dir=cache_dir, max_bad_fraction=0.2)
    assert cached.items == dataset.items
    np.testing.assert_array_equal(cached.pixels[0], pixels_of(dataset.items[0], geometry))
    (problem,) = cached.skipped
    assert (problem.image_id, problem.path) == ("odd", path)
    return problem.reason


def test_missing_empty_and_broken_files(dataset: Dataset, cache_dir: Path, tmp_path: Path) -> None:
    assert skipped_reason(dataset, tmp_path / "none.jpg", cache_dir) == "missing file"
    (tmp_path / "link.jpg").symlink_to("nowhere")
    assert skipped_reason(dataset, tmp_path / "link.jpg", cache_dir) == "missing file"
    (tmp_path / "zero.jpg").touch()
    assert skipped_reason(dataset, tmp_path / "zero.jpg", cache_dir) == "empty file"
    (tmp_path / "text.jpg").write_text("<html>404 Not Found</html>")
    assert skipped_reason(dataset, tmp_path / "text.jpg", cache_dir) == "not an image Pillow can read"
    (tmp_path / "folder.jpg").mkdir()
    assert skipped_reason(dataset, tmp_path / "folder.jpg", cache_dir) == "not a regular file"


def test_a_pipe_does_not_block(dataset: Dataset, cache_dir: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert skipped_reason(dataset, tmp_path / "pipe.jpg", cache_dir) == "not a regular file"


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_truncated_images(
    dataset: Dataset, cache_dir: Path, tmp_path: Path, make_image: MakeImage, suffix: str
) -> None:
    whole = make_image(tmp_path / f"whole{suffix}", size=(200, 150)).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: len(whole) // 2])
    assert skipped_reason(dataset, cut, cache_dir).startswith("damaged image: ")


def test_damaged_bytes_never_stop_the_build(dataset: Dataset, cache_dir: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    items = []
    for number, suffix in enumerate([".jpg", ".png", ".gif", ".bmp", ".tif", ".webp"] * 5):
        path = tmp_path / f"{number}{suffix}"
        Image.new("RGB", (30, 20), (number, 99, 7)).save(path)
        content = bytearray(path.read_bytes())
        for position in random.integers(2, len(content), 8):
            content[position] = random.integers(0, 256)
        path.write_bytes(content)
        items.append(ImageItem(str(number), path, "nv"))
    damaged = replace(dataset, items=dataset.items + tuple(items))
    cached = cached_images(damaged, SMALL, cache_dir=cache_dir, max_bad_fraction=0.9)
    assert len(cached.items) + len(cached.skipped) == 38
    assert cached.pixels.shape[0] == len(cached.items)
    assert all("\n" not in problem.reason for problem in cached.skipped)


def test_no_permission(dataset: Dataset, cache_dir: Path, tmp_path: Path, make_image: MakeImage) -> None:
    secret = make_image(tmp_path / "secret.jpg")
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        pytest.skip("this user may read anything")
    assert skipped_reason(dataset, secret, cache_dir) == "no permission to read"


def test_decompression_bombs(
    dataset: Dataset, cache_dir: Path, tmp_path: Path, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert skipped_reason(dataset, bomb, cache_dir).startswith("too many pixels: ")
    # Between one and two times the limit Pillow only warns.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 30)
    large = make_image(tmp_path / "large.png", size=(50, 30))
    assert skipped_reason(dataset, large, cache_dir).startswith("too many pixels: ")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grayscale_is_skipped_or_converted(dataset: Dataset, cache_dir: Path, tmp_path: Path, mode: str) -> None:
    gray = tmp_path / "gray.png"
    Image.new(mode, (20, 20)).save(gray)
    with Image.open(gray) as image:
        opened = image.mode  # older Pillow opens 16-bit files as mode I
    assert skipped_reason(dataset, gray, cache_dir) == f"grayscale image: mode {opened}"
    both = with_file(dataset, gray)
    converted = cached_images(both, SMALL, cache_dir=cache_dir, grayscale=GrayscalePolicy.CONVERT)
    assert (len(converted.items), converted.skipped) == (9, ())
    one_channel = cached_images(both, replace(SMALL, channels=1), cache_dir=cache_dir)
    assert one_channel.pixels.shape == (9, 8, 10, 1)
    assert one_channel.skipped == ()


def test_gray_looking_colour_files_are_colour(dataset: Dataset, cache_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "gray_rgb.jpg"
    Image.new("RGB", (20, 20), (128, 128, 128)).save(path)
    assert cached_images(with_file(dataset, path), SMALL, cache_dir=cache_dir).skipped == ()


def test_the_real_odd_ones(shared_data: Path, dataset: Dataset, cache_dir: Path) -> None:
    odd = shared_data / "odd"
    assert skipped_reason(dataset, odd / "ISIC_0024306_gray.jpg", cache_dir) == "grayscale image: mode L"
    assert skipped_reason(dataset, odd / "ISIC_0024306_mask.png", cache_dir) == "grayscale image: mode L"
    pointer = skipped_reason(dataset, odd / "git_lfs_pointer.jpg", cache_dir)
    assert pointer == "Git LFS pointer (run git lfs pull)"


def test_real_images(shared_data: Path, cache_dir: Path) -> None:
    metadata = shared_data / "ham10000" / "HAM10000_metadata.csv"
    dataset = open_dataset(f"ham10000:{shared_data / 'ham10000-original'}", metadata=metadata)
    cached = cached_images(dataset, Geometry(224, 224, 3, ResizeMode.STRETCH), cache_dir=cache_dir)
    assert cached.pixels.shape == (17, 224, 224, 3)
    np.testing.assert_array_equal(cached.pixels[16], pixels_of(cached.items[16], cached.geometry))


def test_the_allowed_fraction_is_exact(dataset: Dataset, cache_dir: Path, tmp_path: Path) -> None:
    problem = ImageProblem("gone", tmp_path / "gone.jpg", "missing file")
    bad = replace(with_file(dataset, tmp_path / "none.jpg"), problems=(problem,))
    cached = cached_images(bad, SMALL, cache_dir=cache_dir, max_bad_fraction=0.2)
    assert [entry.image_id for entry in cached.skipped] == ["gone", "odd"]
    with pytest.raises(DataError) as caught:
        cached_images(bad, SMALL, cache_dir=cache_dir, max_bad_fraction=0.19)
    assert str(caught.value).endswith(
        "2 of 10 images are not usable: 2 missing file (gone.jpg, none.jpg); "
        "fix them, or raise --max-bad from 0.19 to 0.2"
    )
    with pytest.raises(DataError, match=r"from 0 to 0\.2"):
        cached_images(bad, SMALL, cache_dir=cache_dir, max_bad_fraction=0.0)
    assert cached_images(dataset, SMALL, cache_dir=cache_dir, max_bad_fraction=0.0).skipped == ()


def test_reasons_are_counted(dataset: Dataset, cache_dir: Path, tmp_path: Path, make_image: MakeImage) -> None:
    items = [ImageItem(f"m{number}", tmp_path / f"m{number}.jpg", "nv") for number in range(3)]
    items += [ImageItem(mode, make_image(tmp_path / f"{mode}.png", mode=mode), "nv") for mode in ("L", "1")]
    with pytest.raises(DataError, match=r"3 missing file, 2 grayscale image \(m0.jpg, m1.jpg, m2.jpg, \.\.\.\)"):
        cached_images(replace(dataset, items=dataset.items + tuple(items)), SMALL, cache_dir=cache_dir)


def test_raising_the_limit_needs_no_second_decoding(dataset: Dataset, cache_dir: Path, tmp_path: Path) -> None:
    bad = with_file(dataset, tmp_path / "none.jpg")
    with pytest.raises(DataError):
        cached_images(bad, SMALL, cache_dir=cache_dir)
    progress = Count()
    assert len(cached_images(bad, SMALL, cache_dir=cache_dir, max_bad_fraction=0.5, progress=progress).items) == 8
    assert progress.calls == []


def test_no_usable_image_at_all(dataset: Dataset, cache_dir: Path, tmp_path: Path) -> None:
    bad = replace(dataset, items=(ImageItem("a", tmp_path / "a.jpg", "nv"),))
    with pytest.raises(DataError, match="none of the 1 images is usable: 1 missing file"):
        cached_images(bad, SMALL, cache_dir=cache_dir, max_bad_fraction=1.0)
    assert entries(cache_dir) == []
    with pytest.raises(DataError, match="has no images"):
        cached_images(replace(dataset, items=()), SMALL, cache_dir=cache_dir)


def test_links_in_a_circle(dataset: Dataset, cache_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert skipped_reason(dataset, tmp_path / "a.jpg", cache_dir).startswith("cannot be read: ")
