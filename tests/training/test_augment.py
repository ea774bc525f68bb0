"""Copies by symmetry, and random changes."""

from __future__ import annotations

import numpy as np
from edgebench_training.augment import augmented
from edgebench_training.dihedral import apply_copies, dihedral
from edgebench_training.recipe import Augmentation

NOTHING = Augmentation(dihedral=False, brightness=0, contrast=0, colour=0, zoom=0, shift=0)


def images(count: int = 6, size: int = 8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_the_eight_copies_are_the_symmetries_of_the_square() -> None:
    one = images(1)
    copies = {dihedral(one, number).tobytes() for number in range(8)}
    turned = {np.rot90(one[0], turn).tobytes() for turn in range(4)}
    flipped = {np.rot90(one[0][:, ::-1], turn).tobytes() for turn in range(4)}
    assert copies == turned | flipped
    assert len(copies) == 8


def test_each_image_gets_its_own_copy() -> None:
    batch, numbers = images(), np.array([0, 7, 3, 0, 4, 1])
    result = apply_copies(batch, numbers)
    for row, number in enumerate(numbers):
        np.testing.assert_array_equal(result[row], dihedral(batch[row : row + 1], int(number))[0])


def test_without_ranges_nothing_changes() -> None:
    np.testing.assert_array_equal(augmented(images(), NOTHING, np.random.default_rng(0)), images().astype(np.float32))


def test_the_same_seed_gives_the_same_images_in_range() -> None:
    ranges = Augmentation(brightness=0.5, contrast=0.5, colour=0.3, zoom=0.3, shift=0.3)
    first, second = (augmented(images(), ranges, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first != augmented(images(), ranges, np.random.default_rng(5))).any()
    assert first.dtype == np.float32
    assert 0 <= first.min() <= first.max() <= 255


def test_moving_and_scaling_a_flat_image_leaves_it_flat() -> None:
    flat = np.full((3, 9, 9, 1), 77, np.uint8)
    ranges = Augmentation(dihedral=True, brightness=0, contrast=0, colour=0, zoom=0.4, shift=0.4)
    np.testing.assert_allclose(augmented(flat, ranges, np.random.default_rng(0)), 77.0, rtol=1e-6)


def test_a_zoom_keeps_the_centre() -> None:
    point = np.zeros((4, 9, 9, 1), np.uint8)
    point[:, 4, 4] = 200
    ranges = Augmentation(dihedral=False, brightness=0, contrast=0, colour=0, zoom=0.3, shift=0)
    np.testing.assert_allclose(augmented(point, ranges, np.random.default_rng(0))[:, 4, 4], 200.0, rtol=1e-6)
