"""Data and recipes with which a training takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from edgebench_training.recipe import Recipe, resolve_recipe
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}


def write_classes(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """A ``folder:`` data set: noisy images whose class is their colour."""
    rng = np.random.default_rng(seed)
    for label, count in counts.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            colour = np.array(COLOURS[label]) + rng.normal(0, 30, 3)
            pixels = np.clip(colour + rng.normal(0, 25, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


def tiny_recipe(weights: str, **changes: Any) -> Recipe:
    fields: dict[str, Any] = {
        "alpha": 0.1,
        "size": 32,
        "weights": weights,
        "fine_tune_from": "block_16",
        "copies": 2,
        "calibration_images": 12,
        "check_images": 9,
        "head": {"epochs": 2, "batch_size": 16},
        "tail": {"epochs": 2, "batch_size": 16},
        "full": {"epochs": 2, "batch_size": 16},
    }
    return resolve_recipe(None, {**fields, **changes})
