"""Fitting images to an input: exact against Pillow for stretch, by construction for the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgebench.errors import UsageError
from edgebench.images.geometry import Geometry, ResizeMode, fit
from PIL import Image


def geometry(height: int, width: int, mode: ResizeMode = ResizeMode.STRETCH, channels: int = 3) -> Geometry:
    return Geometry(height, width, channels, mode)


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_key_is_readable_and_tells_geometries_apart() -> None:
    assert geometry(224, 192).key() == "224x192x3-stretch"
    keys = {
        Geometry(height, width, channels, mode).key()
        for height, width in ((96, 80), (80, 96))
        for channels in (1, 3)
        for mode in ResizeMode
    }
    assert len(keys) == 12


@pytest.mark.parametrize(("height", "width", "channels"), [(0, 5, 3), (5, -1, 3), (5, 5, 2), (5, 5, 4)])
def test_impossible_geometry(height: int, width: int, channels: int) -> None:
    with pytest.raises(UsageError):
        Geometry(height, width, channels, ResizeMode.PAD)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (96, 128), (600, 700), (1, 1)])
def test_stretch_is_pillows_bilinear_resize(shared_data: Path, height: int, width: int) -> None:
    with Image.open(shared_data / "ham10000-original" / "ISIC_0024306.jpg") as image:
        expected = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
        got = fit(image, geometry(height, width))
    assert got.shape == (height, width, 3)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, expected)


def test_same_size_keeps_every_pixel() -> None:
    image = noise(40, 30)
    for mode in ResizeMode:
        np.testing.assert_array_equal(fit(image, geometry(30, 40, mode)), np.asarray(image))


def test_crop_takes_the_centre() -> None:
    image = noise(61, 30)
    got = fit(image, geometry(30, 30, ResizeMode.CROP))
    np.testing.assert_array_equal(got, np.asarray(image)[:, 15:45])
    tall = fit(noise(30, 50), geometry(20, 30, ResizeMode.CROP))
    np.testing.assert_array_equal(tall, np.asarray(noise(30, 50))[15:35])


def test_pad_centres_the_whole_image_on_black() -> None:
    image = noise(40, 20)
    got = fit(image, geometry(40, 40, ResizeMode.PAD))
    np.testing.assert_array_equal(got[10:30], np.asarray(image))
    assert not got[:10].any()
    assert not got[30:].any()
    wide = fit(noise(20, 20), geometry(20, 31, ResizeMode.PAD))
    np.testing.assert_array_equal(wide[:, 5:25], np.asarray(noise(20, 20)))


@pytest.mark.parametrize("mode", list(ResizeMode))
@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (1, 1)])
def test_extreme_shapes(mode: ResizeMode, size: tuple[int, int]) -> None:
    assert fit(noise(*size), geometry(16, 24, mode)).shape == (16, 24, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:10, :15] = 255
    turns = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    stored = Image.fromarray(np.ascontiguousarray(turns[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(fit(image, geometry(20, 30)), upright)


def test_one_channel_is_luma() -> None:
    image = noise(30, 20)
    got = fit(image, geometry(20, 30, channels=1))
    assert got.shape == (20, 30, 1)
    np.testing.assert_array_equal(got[..., 0], np.asarray(image.convert("L")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGBa"])
def test_transparent_pixels_become_black(mode: str) -> None:
    pixels = np.full((4, 4, 4), 200, np.uint8)
    pixels[..., 3] = 255
    pixels[0, 0, 3] = 0
    got = fit(Image.fromarray(pixels).convert(mode), geometry(4, 4))
    assert got[0, 0].tolist() == [0, 0, 0]
    assert got[1, 1].tolist() == [200, 200, 200]


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30, 250, 0, 0])
    palette.putpixel((0, 0), 2)
    assert fit(palette, geometry(4, 4))[1, 1].tolist() == [10, 20, 30]
    palette.save(tmp_path / "a.png", transparency=2)
    with Image.open(tmp_path / "a.png") as image:
        got = fit(image, geometry(4, 4))
    assert got[0, 0].tolist() == [0, 0, 0]
    assert got[1, 1].tolist() == [10, 20, 30]


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 30, 60)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.mode == "CMYK"
        got = fit(image, geometry(8, 8))
    assert np.abs(got.astype(int) - (200, 30, 60)).max() <= 4


def test_sixteen_bit_is_scaled_not_clipped(tmp_path: Path) -> None:
    wide = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(wide).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert fit(image, geometry(1, 4))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="no fixed range"):
        fit(Image.new("F", (4, 4)), geometry(4, 4))
