"""Real image files for the tests of edgebench.images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edgebench.images.dataset import Dataset, open_dataset
from PIL import Image

MakeImage = Callable[..., Path]


@pytest.fixture
def make_image() -> MakeImage:
    """Writes a real image file of random pixels, of any mode and suffix, and returns its path."""

    def make(path: Path, size: tuple[int, int] = (40, 30), mode: str = "RGB", seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
        return path

    return make


@pytest.fixture
def class_folders(tmp_path: Path, make_image: MakeImage) -> Path:
    """A folder data set: mel with 2 images, nv with 6."""
    root = tmp_path / "data"
    for label, count in (("nv", 6), ("mel", 2)):
        for number in range(count):
            make_image(root / label / f"{label}_{number}.jpg", seed=number)
    return root


@pytest.fixture
def dataset(class_folders: Path) -> Dataset:
    return open_dataset(f"folder:{class_folders}")


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"
