"""Generated colour patches: images that a tiny classifier can tell apart, for tests that need real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

#: Alphabetical, as the classifier in ``fixtures/models`` answers them.
COLOURS = {
    "blue": (40, 60, 200),
    "brown": (120, 80, 50),
    "gray": (128, 128, 128),
    "green": (50, 170, 70),
    "pink": (230, 150, 180),
    "red": (200, 40, 40),
    "yellow": (220, 210, 60),
}


def patches(per_class: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 [n, size, size, 3] and int labels: each class's colour under heavy noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(COLOURS)), per_class)
    base = np.array(list(COLOURS.values()), float)[labels]
    tint = base + rng.normal(0, 35, size=(len(labels), 3))
    noise = rng.normal(0, 30, size=(len(labels), size, size, 3))
    pixels = np.clip(tint[:, None, None, :] + noise, 0, 255).astype(np.uint8)
    return pixels, labels


def write_folder(folder: Path, per_class: int, size: int = 40, seed: int = 7) -> Path:
    """Write PNG files into one sub-folder per colour and return the folder."""
    pixels, labels = patches(per_class, size, seed)
    names = list(COLOURS)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        place = folder / names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{names[label]}_{number:04d}.png")
    return folder
