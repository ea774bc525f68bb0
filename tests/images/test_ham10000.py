"""HAM10000 layouts and metadata files, real ones and broken ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from edgebench.errors import DataError
from edgebench.images.dataset import Dataset, open_dataset

MakeImage = Callable[..., Path]
CODES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def failure(folder: Path, metadata: Path | None = None) -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(f"ham10000:{folder}", metadata=metadata)
    message = str(caught.value)
    assert "\n" not in message
    return message


def opened(folder: Path, metadata: Path | None = None) -> Dataset:
    return open_dataset(f"ham10000:{folder}", metadata=metadata)


def write_rows(path: Path, rows: Sequence[str], header: str = "lesion_id,image_id,dx") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def kaggle(tmp_path: Path, make_image: MakeImage) -> Path:
    """20 images in two part folders, and their metadata."""
    rows = []
    for number in range(20):
        part = tmp_path / f"HAM10000_images_part_{1 + number // 10}"
        make_image(part / f"ISIC_{number:03}.jpg", size=(8, 8))
        rows.append(f"HAM_{number // 2},ISIC_{number:03},{CODES[number % 7]}")
    write_rows(tmp_path / "HAM10000_metadata.csv", rows[::-1])
    return tmp_path


def test_kaggle_layout(kaggle: Path) -> None:
    dataset = opened(kaggle)
    assert dataset.classes == CODES
    assert [item.image_id for item in dataset.items] == [f"ISIC_{number:03}" for number in range(20)]
    item = dataset.items[11]
    assert item.path == kaggle / "HAM10000_images_part_2" / "ISIC_011.jpg"
    assert (item.label, item.lesion_id) == ("mel", "HAM_5")
    assert (dataset.rows_without_image, dataset.images_without_row, dataset.duplicate_rows) == (0, 0, 0)


def test_kaggle_layout_missing_images_are_problems(kaggle: Path) -> None:
    for number in range(10, 20):
        (kaggle / "HAM10000_images_part_2" / f"ISIC_{number:03}.jpg").unlink()
    dataset = opened(kaggle)
    assert len(dataset.items) == 10
    assert {problem.reason for problem in dataset.problems} == {"missing file"}
    assert len(dataset.problems) == 10
    assert dataset.rows_without_image == 0


def test_part_folders_in_lower_case_doubled_or_nested(kaggle: Path, make_image: MakeImage) -> None:
    (kaggle / "HAM10000_images_part_1").rename(kaggle / "ham10000_images_part_1")
    make_image(kaggle / "ham10000_images_part_2" / "ISIC_010.jpg", size=(8, 8))
    inner = kaggle / "ham10000_images_part_1" / "HAM10000_images_part_1"
    inner.mkdir()
    for path in sorted((kaggle / "ham10000_images_part_1").glob("*.jpg")):
        path.rename(inner / path.name)
    (kaggle / "hmnist_28_28_L.csv").write_text("a\n")
    dataset = opened(kaggle)
    assert len(dataset.items) == 20
    assert dataset.items[10].path == kaggle / "HAM10000_images_part_2" / "ISIC_010.jpg"


@pytest.mark.parametrize("place", [".", "images"])
def test_flat_folder_or_one_sub_folder(tmp_path: Path, make_image: MakeImage, place: str) -> None:
    make_image(tmp_path / place / "a.jpg")
    (tmp_path / "notes").mkdir()
    write_rows(tmp_path / "ham10000_METADATA.csv", ["L1,a,nv"])
    assert [item.label for item in opened(tmp_path).items] == ["nv"]


def test_several_sub_folders_are_not_guessed(tmp_path: Path, make_image: MakeImage) -> None:
    for name in ("train", "test"):
        make_image(tmp_path / name / "a.jpg")
    write_rows(tmp_path / "HAM10000_metadata.csv", ["L1,a,nv"])
    assert "several sub-folders (test, train)" in failure(tmp_path)


@pytest.mark.parametrize(("rows", "problems", "without"), [(20, 0, 0), (22, 2, 0), (23, 0, 3), (400, 0, 380)])
def test_flat_folder_incomplete_copy_or_subset(
    tmp_path: Path, make_image: MakeImage, rows: int, problems: int, without: int
) -> None:
    for number in range(20):
        make_image(tmp_path / "images" / f"i{number}.jpg", size=(8, 8))
    table = write_rows(tmp_path / "all.csv", [f"L,i{number},nv" for number in range(rows)])
    dataset = opened(tmp_path / "images", table)
    assert len(dataset.items) == 20
    assert (len(dataset.problems), dataset.rows_without_image) == (problems, without)


def test_images_without_a_row_are_counted(kaggle: Path, make_image: MakeImage) -> None:
    make_image(kaggle / "HAM10000_images_part_1" / "ISIC_999.jpg")
    dataset = opened(kaggle)
    assert len(dataset.items) == 20
    assert dataset.images_without_row == 1


def test_no_metadata_points_to_the_parents(kaggle: Path) -> None:
    part = kaggle / "HAM10000_images_part_1"
    assert f"--metadata {kaggle / 'HAM10000_metadata.csv'}" in failure(part)
    assert len(opened(part, kaggle / "HAM10000_metadata.csv").items) == 10
    (kaggle / "HAM10000_metadata.csv").unlink()
    assert "--metadata FILE" in failure(kaggle)


def test_no_images_or_none_of_the_metadata(kaggle: Path, tmp_path: Path, make_image: MakeImage) -> None:
    other = write_rows(tmp_path / "other.csv", ["L1,CAT_1,cat"])
    message = failure(kaggle, other)
    assert "CAT_1" in message
    assert "ISIC_000" in message
    empty = write_rows(tmp_path / "empty" / "HAM10000_metadata.csv", ["L1,a,nv"]).parent
    assert "no images" in failure(empty)
    (empty / "HAM10000_images_part_1").mkdir()
    assert "unpack" in failure(empty)


def test_own_metadata_takes_any_label_and_no_lesion(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.jpg")
    make_image(tmp_path / "b.png")
    table = tmp_path / "mine.csv"
    table.write_bytes(b"\xef\xbb\xbfDX;Image_ID\r\ncat; a.jpg \r\n\r\nhot dog;b\r\n")
    dataset = opened(tmp_path, table)
    assert [(item.image_id, item.label, item.lesion_id) for item in dataset.items] == [
        ("a", "cat", None),
        ("b", "hot dog", None),
    ]
    assert dataset.classes == ("cat", "hot dog")


def test_rows_without_label_are_problems(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.jpg")
    make_image(tmp_path / "b.jpg")
    dataset = opened(tmp_path, write_rows(tmp_path / "m.csv", ["L1,a,nv", "L2,b,"]))
    assert [(problem.image_id, problem.reason) for problem in dataset.problems] == [("b", "no label")]
    assert "is empty for all" in failure(tmp_path, write_rows(tmp_path / "m.csv", ["L1,a,", "L2,b,"]))


def test_identical_duplicates_are_counted_and_contradictions_refused(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.jpg")
    table = tmp_path / "m.csv"
    assert opened(tmp_path, write_rows(table, ["L1,a,nv"] * 3)).duplicate_rows == 2
    assert "different dx, 'nv' and 'mel'" in failure(tmp_path, write_rows(table, ["L1,a,nv", "L1,a,mel"]))
    assert "different lesion_id" in failure(tmp_path, write_rows(table, ["L1,a,nv", "L2,a,nv"]))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"image_id,dx\n", "no rows"),
        (b"image,label\na,nv\n", "its first line is 'image, label'"),
        (b"image_id,dx,age\na,nv,50\nb,n", "line 3 has 2 fields and the header 3"),
        (b"image_id,dx\na,nv,1\n", "line 2 has 3 fields"),
        (b"image_id,dx\n,nv\n", "line 2 has no image_id"),
        (b'image_id,dx\na,"nv\n', "is damaged"),
        (b"\xff\xfei\x00m\x00", "UTF-8"),
        (b"PK\x03\x04\x14\x00\x00", "first line"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    ],
)
def test_files_that_are_no_metadata(tmp_path: Path, make_image: MakeImage, content: bytes, expected: str) -> None:
    make_image(tmp_path / "a.jpg")
    (tmp_path / "m.csv").write_bytes(content)
    assert expected in failure(tmp_path, tmp_path / "m.csv")


def test_metadata_missing_or_a_folder(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.jpg")
    assert "does not exist" in failure(tmp_path, tmp_path / "none.csv")
    assert "cannot be read" in failure(tmp_path, tmp_path)


def test_an_eighth_class_with_images_needs_a_file_of_ones_own(kaggle: Path, make_image: MakeImage) -> None:
    make_image(kaggle / "HAM10000_images_part_1" / "Normal_1.jpg")
    table = kaggle / "HAM10000_metadata.csv"
    table.write_text(table.read_text() + "HE_1,Normal_1,healthy\n")
    message = failure(kaggle)
    assert "'healthy'" in message
    assert "akiec bcc bkl df mel nv vasc" in message
    own = table.rename(kaggle / "own.csv")
    assert "healthy" in opened(kaggle, own).classes


def test_the_real_set(shared_data: Path) -> None:
    dataset = opened(shared_data / "ham10000")
    assert list(dataset.counts().values()) == [327, 514, 1099, 115, 1113, 6705, 142]
    assert dataset.classes == CODES
    assert len({item.lesion_id for item in dataset.items}) == 7470
    assert (dataset.problems, dataset.rows_without_image, dataset.images_without_row) == ((), 0, 0)
    other_form = opened(shared_data / "ham10000", shared_data / "ham10000" / "HAM10000_metadata_dataverse.csv")
    assert other_form.items == dataset.items


def test_the_real_subset_with_the_full_metadata(shared_data: Path) -> None:
    folder = shared_data / "ham10000-600x450"
    dataset = opened(folder, shared_data / "ham10000" / "HAM10000_metadata.csv")
    assert (len(dataset.items), dataset.rows_without_image, dataset.problems) == (704, 9311, ())
    assert "no HAM10000_metadata.csv" in failure(folder)


def test_the_real_look_alikes(shared_data: Path) -> None:
    folder, odd = shared_data / "ham10000", shared_data / "odd"
    message = failure(folder, odd / "HAM10000_metadata_fullnames.csv")
    assert "'Melanoma'" in message
    assert "akiec bcc bkl df mel nv vasc" in message
    assert "its first line is 'import os'" in failure(folder, odd / "HAM10000_metadata_truncated.csv")
    extra = opened(folder, odd / "HAM10000_metadata_109_extra_rows.csv")
    assert (len(extra.items), extra.rows_without_image, extra.problems) == (10015, 109, ())
    assert extra.classes == CODES


def test_long_names_are_recognised_under_any_file_name(shared_data: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "labels.csv"
    renamed.write_bytes((shared_data / "odd" / "HAM10000_metadata_fullnames.csv").read_bytes())
    assert "expected the codes" in failure(shared_data / "ham10000-600x450", renamed)
