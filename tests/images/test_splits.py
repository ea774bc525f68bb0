"""Three-way splits by lesion."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from edgebench.errors import DataError, UsageError
from edgebench.images.dataset import ImageItem, open_dataset
from edgebench.images.splits import Part, Split, make_split, read_split, split_digest, split_text


def lesions(folder: Path, counts: dict[str, int], views: int = 2) -> list[ImageItem]:
    """Items of ``counts`` lesions per class, each with ``views`` images of different content."""
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    for label, count in counts.items():
        for lesion in range(count):
            for view in range(views):
                path = folder / f"{label}_{lesion}_{view}.jpg"
                path.write_bytes(f"{label} {lesion} {view}".encode())
                items.append(ImageItem(path.stem, path, label, f"L_{label}_{lesion}"))
    return items


def parts_of_lesions(split: Split) -> dict[str, set[Part]]:
    found: dict[str, set[Part]] = defaultdict(set)
    for row in split.rows:
        found[row.lesion_id].add(row.part)
    return found


def test_no_lesion_is_in_two_parts_and_every_class_is_in_all_three(tmp_path: Path) -> None:
    split = make_split(lesions(tmp_path, {"mel": 20, "nv": 100, "df": 3}, views=3))
    assert all(len(parts) == 1 for parts in parts_of_lesions(split).values())
    for part in Part:
        assert {row.label for row in split.part(part)} == {"mel", "nv", "df"}
    assert split.counts()["train"] == {"images": 3 * (14 + 70 + 1), "lesions": 14 + 70 + 1}
    assert split.counts()["test"] == {"images": 3 * (3 + 15 + 1), "lesions": 3 + 15 + 1}


def test_the_order_of_images_does_not_matter_and_the_seed_does(tmp_path: Path) -> None:
    items = lesions(tmp_path, {"a": 12, "b": 12})
    shuffled = random.Random(1).sample(items, len(items))
    assert make_split(items, seed=5) == make_split(shuffled, seed=5)
    assert make_split(items, seed=5) != make_split(items, seed=6)


def test_images_without_lesion_are_lesions_of_their_own(tmp_path: Path) -> None:
    items = [ImageItem(i.image_id, i.path, i.label) for i in lesions(tmp_path, {"a": 10, "b": 10}, views=1)]
    split = make_split(items)
    assert {row.lesion_id for row in split.rows} == {item.image_id for item in items}


@pytest.mark.parametrize("seed", range(8))
def test_identical_files_fall_on_the_same_side_whatever_their_lesions(tmp_path: Path, seed: int) -> None:
    items = lesions(tmp_path, {"a": 12, "b": 12}, views=1)
    items[3].path.write_bytes(items[9].path.read_bytes())
    parts = {row.image_id: row.part for row in make_split(items, seed=seed).rows}
    assert parts[items[3].image_id] is parts[items[9].image_id]


def test_a_class_with_two_lesions_is_one_clear_line(tmp_path: Path) -> None:
    items = lesions(tmp_path, {"nv": 9, "df": 2, "mel": 1}, views=4)
    with pytest.raises(DataError, match="class df has 2, class mel has 1 lesions, at least 3 needed") as caught:
        make_split(items)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fractions", [(0.7, 0.3, 0.0), (0.5, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_impossible_fractions_are_refused(tmp_path: Path, fractions: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="add up to 1"):
        make_split(lesions(tmp_path, {"a": 4, "b": 4}), fractions)


def test_a_split_survives_its_file(tmp_path: Path) -> None:
    split = make_split(lesions(tmp_path / "images", {'a,"b"': 5, "ü": 5}))
    path = tmp_path / "split.csv"
    path.write_text(split_text(split), encoding="utf-8", newline="\n")
    assert read_split(path, split_digest(split)) == split
    assert path.read_text(encoding="utf-8").splitlines()[0] == "image_id,lesion_id,label,split,content"


def test_a_changed_split_is_refused(tmp_path: Path) -> None:
    split = make_split(lesions(tmp_path / "images", {"a": 5, "b": 5}))
    path = tmp_path / "split.csv"
    path.write_text(split_text(split).replace("test", "train", 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"not the split that card\.json names"):
        read_split(path, split_digest(split))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,dx\nx,nv\n", "is no split"),
        ("", "is no split"),
        ("image_id,lesion_id,label,split,content\nx,y,nv,exam,00\n", "line 2"),
        ("image_id,lesion_id,label,split,content\nx,y,nv\n", "line 2"),
    ],
)
def test_files_that_are_no_split_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_split(path)
    with pytest.raises(DataError, match="not there"):
        read_split(tmp_path / "absent.csv")


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    items = lesions(tmp_path, {"a": 4, "b": 4})
    items[2].path.unlink()
    with pytest.raises(DataError, match=items[2].path.name):
        make_split(items)


def test_ham10000_is_split_by_its_lesions(shared_data: Path) -> None:
    dataset = open_dataset(f"ham10000:{shared_data / 'ham10000'}")
    split = make_split(dataset.items)
    assert all(len(parts) == 1 for parts in parts_of_lesions(split).values())
    counts = split.counts()
    assert sum(count["images"] for count in counts.values()) == 10015
    assert sum(count["lesions"] for count in counts.values()) == 7470
    contents = Counter(row.content for row in split.rows)
    twins = [row for row in split.rows if contents[row.content] == 2]
    assert {row.image_id for row in twins} == {"ISIC_0024366", "ISIC_0029861", "ISIC_0024777", "ISIC_0029938"}
    for content in {row.content for row in twins}:
        assert len({row.part for row in twins if row.content == content}) == 1
