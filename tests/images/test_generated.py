"""The phantom source in the data set and the pixel cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest
from edgebench.errors import DataError, UsageError
from edgebench.images import drawing, pixel_store
from edgebench.images.cache import GrayscalePolicy, cached_images
from edgebench.images.dataset import open_dataset
from edgebench.images.generated import parse_phantom
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.images.phantom import render_phantom
from edgebench.images.splits import make_split

SMALL = Geometry(32, 32, 3, ResizeMode.STRETCH)


def test_pixels_are_those_of_the_generator_and_are_drawn_once(tmp_path: Path) -> None:
    dataset = open_dataset("phantom:count=12,size=32,seed=4")
    seen: list[int] = []
    cached = cached_images(dataset, SMALL, cache_dir=tmp_path, jobs=2, progress=lambda done, _: seen.append(done))
    spec = parse_phantom("count=12,size=32,seed=4")
    for row in (0, 11):
        np.testing.assert_array_equal(cached.pixels[row], render_phantom(spec, row))
    assert seen == list(range(1, 13))
    again = cached_images(dataset, SMALL, cache_dir=tmp_path, progress=lambda done, _: seen.append(done))
    assert len(seen) == 12
    assert again == cached


def test_several_processes_draw_the_same_and_leave_nothing_running(tmp_path: Path) -> None:
    before = psutil.Process().children(recursive=True)
    dataset = open_dataset("phantom:count=60,size=32,seed=4")
    one, three = (cached_images(dataset, SMALL, cache_dir=tmp_path / str(jobs), jobs=jobs) for jobs in (1, 3))
    np.testing.assert_array_equal(one.pixels, three.pixels)
    assert psutil.Process().children(recursive=True) == before


def test_a_drawing_process_that_dies_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "__name__", "edgebench.no_such_module")
    with pytest.raises(DataError, match="ended early"):
        cached_images(open_dataset("phantom:count=60,size=32"), SMALL, cache_dir=tmp_path, jobs=2)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_generator_is_not_served_old_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    items = open_dataset("phantom:count=3").items
    before = pixel_store.entry_key(items, SMALL, GrayscalePolicy.SKIP)
    monkeypatch.setattr(pixel_store, "generator_digest", lambda: "another program")
    assert pixel_store.entry_key(items, SMALL, GrayscalePolicy.SKIP) != before


def test_it_says_that_it_is_generated_and_has_seven_classes_and_lesions() -> None:
    dataset = open_dataset(" phantom ")
    assert dataset.generated
    assert len(dataset.items) == 4000
    assert dataset.classes == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    assert len({item.lesion_id for item in dataset.items}) < 4000


def test_images_of_two_seeds_are_never_taken_for_each_other() -> None:
    first, second = (open_dataset(f"phantom:count=50,seed={seed}") for seed in (0, 1))
    assert not {item.image_id for item in first.items} & {item.image_id for item in second.items}
    larger = open_dataset("phantom:count=60,size=64")
    assert {item.image_id for item in first.items} < {item.image_id for item in larger.items}


def test_it_can_be_split() -> None:
    counts = make_split(open_dataset("phantom:count=300").items).counts()
    assert sum(count["images"] for count in counts.values()) == 300


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("phantom:colour=red", "option 'colour' is not known"),
        ("phantom:count=many", "has no number"),
        ("phantom:size=5", "not in 32..1024"),
        ("phantom:count", "has no number"),
    ],
)
def test_wrong_options_are_one_line(source: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_dataset(source)
    with pytest.raises(UsageError, match="--metadata does not go with phantom"):
        open_dataset("phantom", metadata=Path("x.csv"))
