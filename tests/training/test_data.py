"""Images for training: parts, balance and order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgebench.errors import DataError, EdgebenchError
from edgebench.images.dataset import open_dataset
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.images.metadata import HAM10000_CODES
from edgebench.images.splits import DEFAULT_FRACTIONS, Part, make_split
from edgebench_training.data import Subset, balanced_rows, class_prior, epoch_order, load_training_data

GEOMETRY = Geometry(32, 32, 3, ResizeMode.STRETCH)
SKEWED = Subset(np.arange(100), np.repeat([0, 1, 2], [80, 15, 5]))


def test_rows_and_labels_belong_together(colours: Path) -> None:
    data = load_training_data(f"folder:{colours}", GEOMETRY, DEFAULT_FRACTIONS, 0)
    assert data.classes == ("blue", "green", "red")
    rows = np.concatenate([data.parts[part].rows for part in Part])
    assert sorted(rows) == list(range(60))
    for part in Part:
        for row, label in zip(data.parts[part].rows, data.parts[part].labels, strict=True):
            assert data.images.items[row].label == data.classes[label]


def test_calibration_images_are_class_balanced_and_seeded() -> None:
    rows = balanced_rows(SKEWED, 30, seed=1)
    assert np.bincount(SKEWED.labels[rows], minlength=3).tolist() == [13, 12, 5]
    assert len(set(rows)) == 30
    np.testing.assert_array_equal(rows, balanced_rows(SKEWED, 30, seed=1))
    assert len(balanced_rows(SKEWED, 1000, seed=0)) == 100


def test_an_epoch_draws_classes_by_the_power() -> None:
    rng = np.random.default_rng(0)
    assert sorted(epoch_order(SKEWED, 3, 1.0, rng)) == list(range(100))
    drawn = np.concatenate([epoch_order(SKEWED, 3, 0.0, rng) for _ in range(100)])
    shares = np.bincount(SKEWED.labels[drawn]) / len(drawn)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)
    np.testing.assert_allclose(class_prior(SKEWED, 3, 0.5), np.sqrt([80, 15, 5]) / np.sqrt([80, 15, 5]).sum())


def test_an_absent_class_is_never_expected() -> None:
    assert class_prior(Subset(np.arange(4), np.array([0, 0, 2, 2])), 3, 0.0).tolist() == [0.5, 0.0, 0.5]


def test_one_class_is_no_classifier(tmp_path: Path, colours: Path) -> None:
    (tmp_path / "blue").symlink_to(colours / "blue")
    with pytest.raises(DataError, match="has one class only"):
        load_training_data(f"folder:{tmp_path}", GEOMETRY, DEFAULT_FRACTIONS, 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HAM10000_metadata_fullnames.csv", "expected the codes akiec"),
        ("HAM10000_metadata_truncated.csv", "is no image metadata"),
    ],
)
def test_look_alikes_of_the_metadata_are_one_line(shared_data: Path, name: str, message: str) -> None:
    source = f"ham10000:{shared_data / 'ham10000'}"
    with pytest.raises(EdgebenchError, match=message) as caught:
        load_training_data(source, GEOMETRY, DEFAULT_FRACTIONS, 0, metadata=shared_data / "odd" / name)
    assert "\n" not in str(caught.value)


def test_extra_rows_in_the_metadata_add_no_images(shared_data: Path) -> None:
    metadata = shared_data / "odd" / "HAM10000_metadata_109_extra_rows.csv"
    dataset = open_dataset(f"ham10000:{shared_data / 'ham10000'}", metadata=metadata)
    split = make_split(dataset.items)
    assert len(split.rows) == 10015
    assert {row.label for row in split.rows} == set(HAM10000_CODES)
