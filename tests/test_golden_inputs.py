"""Which inputs are golden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colours import write_folder
from edgebench.evaluation import Evaluator
from edgebench.golden_inputs import GOLDEN_INPUTS, Golden, GoldenInputs, spread_rows
from edgebench.images.items import ImageItem
from edgebench.plan import ModelVariant
from edgebench.records import ModelFile, TensorInfo
from edgebench.session import ImageNeeds
from edgebench.spec import DataSpec
from harness import model


def items(*labels: str | None) -> list[ImageItem]:
    return [ImageItem(f"i{number}", Path("x"), label) for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("labels", "count", "rows"),
    [
        ("aabbcc", 3, [0, 2, 4]),
        ("aaaaaaaab", 3, [0, 4, 8]),  # the rare class is there, and the large one not only with its beginning
        ("ab", 8, [0, 1]),
        ("cba", 2, [1, 2]),
        ([None] * 6, 3, [0, 2, 4]),
        ("", 8, []),
    ],
)
def test_the_classes_take_turns(labels: str, count: int, rows: list[int]) -> None:
    assert spread_rows(items(*labels), count) == rows


def test_without_images_the_inputs_are_seeds() -> None:
    with GoldenInputs(5) as golden:
        assert golden.of(None) == Golden(GOLDEN_INPUTS, 5)


def test_a_small_file_of_the_very_pixels_is_written_once_and_removed(tmp_path: Path) -> None:
    evaluator = Evaluator(DataSpec(f"folder:{write_folder(tmp_path, per_class=3, size=10)}", normalize="-1..1"))
    needs = ImageNeeds(8, 8, 3, TensorInfo("image", (1, 8, 8, 3), "float32"), 7)
    reading = evaluator.read(ModelVariant("m", "v", ModelFile(model("float32"), "0", 1), None), needs)
    with GoldenInputs(0, evaluator) as golden:
        found = golden.of(reading)
        assert golden.of(reading).pixels_path == found.pixels_path
        assert found.pixels_path is not None
        assert (found.count, found.images) == (GOLDEN_INPUTS, True)
        cached = evaluator.images(reading.preprocessing)
        rows = spread_rows(cached.items, GOLDEN_INPUTS)
        assert len({cached.items[row].label for row in rows}) == 7
        assert np.array_equal(np.load(found.pixels_path), cached.pixels[rows])
        assert found.table is reading.table
    assert not found.pixels_path.exists()
