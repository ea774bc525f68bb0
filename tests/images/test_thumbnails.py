from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from colours import write_folder
from edgebench.images.cache import cached_images
from edgebench.images.dataset import open_dataset
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.images.thumbnails import LARGEST_PX, cached_thumbnails, file_thumbnails, jpeg
from PIL import Image

SQUARE = Geometry(32, 32, 3, ResizeMode.STRETCH)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, (32, 32)), (224, 224, (96, 96)), (100, 400, (96, 24))])
def test_a_thumbnail_is_never_larger_than_the_page_wants(height: int, width: int, size: tuple[int, int]) -> None:
    image = opened(jpeg(np.zeros((height, width, 3), np.uint8)))
    assert image.format == "JPEG"
    assert image.size == size
    assert max(image.size) <= LARGEST_PX


def test_one_channel_stays_gray_and_colours_stay_what_they_are() -> None:
    assert opened(jpeg(np.full((8, 8, 1), 200, np.uint8))).mode == "L"
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    pixel = opened(jpeg(red)).getpixel((16, 16))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 190
    assert max(pixel[1:]) < 12


def test_pictures_come_from_the_cache_or_the_files_alike(tmp_path: Path) -> None:
    dataset = open_dataset(f"folder:{write_folder(tmp_path / 'photos', per_class=2)}")
    cached = cached_images(dataset, SQUARE, cache_dir=tmp_path / "cache")
    wanted = [dataset.items[3].image_id, dataset.items[8].image_id]
    found = cached_thumbnails(cached, [*wanted, "no such image"])
    assert sorted(found) == sorted(wanted)
    assert file_thumbnails(dataset, wanted, SQUARE) == found


def test_a_file_that_went_or_broke_has_no_picture(tmp_path: Path) -> None:
    dataset = open_dataset(f"folder:{write_folder(tmp_path, per_class=1)}")
    dataset.items[0].path.unlink()
    dataset.items[1].path.write_bytes(b"no image")
    found = file_thumbnails(dataset, [item.image_id for item in dataset.items], SQUARE)
    assert sorted(found) == sorted(item.image_id for item in dataset.items[2:])


def test_generated_images_are_drawn_again() -> None:
    dataset = open_dataset("phantom:count=14,size=32")
    (name,) = file_thumbnails(dataset, [dataset.items[5].image_id], SQUARE)
    assert name == dataset.items[5].image_id


def test_no_metadata_of_a_photo_reaches_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "mel"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F] = "a camera that names its owner"
    Image.new("RGB", (64, 64), (90, 40, 20)).save(folder / "a.jpg", exif=exif)
    dataset = open_dataset(f"folder:{tmp_path}")
    (data,) = file_thumbnails(dataset, [dataset.items[0].image_id], SQUARE).values()
    assert b"owner" not in data
    assert not opened(data).getexif()
