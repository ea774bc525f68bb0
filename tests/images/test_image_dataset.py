"""Opening data sets: what is found, and one clear line for what is wrong."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from edgebench.errors import DataError, UsageError
from edgebench.images.dataset import Dataset, ImageItem, ImageProblem, open_dataset, stratified_limit

MakeImage = Callable[..., Path]


def failure(source: str, metadata: Path | None = None) -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(source, metadata=metadata)
    message = str(caught.value)
    assert "\n" not in message
    return message


def labelled(**counts: int) -> Dataset:
    items = [
        ImageItem(f"{label}/{number}", Path(f"/{label}/{number}.jpg"), label)
        for number in range(max(counts.values()))
        for label in counts
        if number < counts[label]
    ]
    return Dataset("folder:/x", tuple(items), tuple(sorted(counts)))


def test_class_folders_give_labels_ids_and_order(class_folders: Path) -> None:
    dataset = open_dataset(f"folder:{class_folders}")
    assert dataset.classes == ("mel", "nv")
    assert dataset.counts() == {"mel": 2, "nv": 6}
    assert [item.image_id for item in dataset.items][:3] == ["mel/mel_0", "mel/mel_1", "nv/nv_0"]
    assert dataset.items[0] == ImageItem("mel/mel_0", class_folders / "mel" / "mel_0.jpg", "mel")
    assert dataset.problems == ()


def test_class_folders_ignore_what_is_hidden_or_no_image(class_folders: Path, make_image: MakeImage) -> None:
    (class_folders / "nv" / "Thumbs.db").write_bytes(b"x")
    (class_folders / "nv" / "._nv_0.jpg").write_bytes(b"x")
    make_image(class_folders / ".cache" / "a.jpg")
    make_image(class_folders / "__MACOSX" / "a.jpg")
    (class_folders / "empty").mkdir()
    make_image(class_folders / "stray.PNG")
    dataset = open_dataset(f"folder:{class_folders}")
    assert dataset.counts() == {"mel": 2, "nv": 6}
    assert dataset.images_without_row == 1


def test_suffix_in_any_case_and_dots_in_names(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a" / "v1.2.JPG")
    make_image(tmp_path / "a" / "x.Png")
    assert [item.image_id for item in open_dataset(f"folder:{tmp_path}").items] == ["a/v1.2", "a/x"]


def test_two_images_with_one_id_are_a_problem_not_a_mix_up(class_folders: Path, make_image: MakeImage) -> None:
    make_image(class_folders / "nv" / "nv_0.png")
    dataset = open_dataset(f"folder:{class_folders}")
    assert dataset.counts()["nv"] == 6
    (problem,) = dataset.problems
    assert (problem.image_id, problem.path.name) == ("nv/nv_0", "nv_0.png")
    assert problem.kind == "same id as another image"


def test_train_test_folders_are_explained(tmp_path: Path, make_image: MakeImage) -> None:
    for split in ("train", "test"):
        make_image(tmp_path / split / "nv" / "a.jpg")
    message = failure(f"folder:{tmp_path}")
    assert "split into test, train" in message
    assert f"folder:{tmp_path / 'test'}" in message


def test_a_class_named_like_a_split_is_fine(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "test" / "a.jpg")
    make_image(tmp_path / "other" / "a.jpg")
    assert open_dataset(f"folder:{tmp_path}").classes == ("other", "test")


def test_images_one_level_too_deep_are_never_dropped(class_folders: Path, make_image: MakeImage) -> None:
    make_image(class_folders / "nv" / "more" / "a.jpg")
    assert "also has images one level deeper, in more" in failure(f"folder:{class_folders}")
    assert f"folder:{class_folders}" in failure(f"folder:{class_folders.parent}")


def test_broken_link_is_listed_for_the_cache_to_report(class_folders: Path) -> None:
    (class_folders / "nv" / "zz.jpg").symlink_to("nowhere.jpg")
    assert open_dataset(f"folder:{class_folders}").items[-1].image_id == "nv/zz"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/data/x", "write folder:/data/x or ham10000:/data/x"),
        ("C:\\data", "write folder:C:\\data"),
        ("cifar:/data", "expected folder:DIR"),
        ("", "no known kind"),
        ("folder:", "names no folder"),
        ("folder:/no/such/folder", "does not exist"),
        ("ham10000:/no/such/folder", "does not exist"),
        ("folder:C:\\data\\ham", "Windows path"),
        ("ham10000:\\\\server\\share", "Windows path"),
        ("folder:~no_such_user_here/x", "home folder"),
    ],
)
def test_sources_that_name_nothing(source: str, expected: str) -> None:
    assert expected in failure(source)


def test_home_is_expanded(class_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(class_folders.parent))
    dataset = open_dataset("folder:~/data")
    assert dataset.source == "folder:~/data"
    assert dataset.items[0].path == class_folders / "mel" / "mel_0.jpg"


def test_files_in_place_of_a_folder(tmp_path: Path) -> None:
    archive = tmp_path / "ham.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "b")
    assert "unpack it" in failure(f"ham10000:{archive}")
    archive.rename(tmp_path / "archive")
    assert "unpack it" in failure(f"folder:{tmp_path / 'archive'}")
    (tmp_path / "m.csv").write_text("image_id,dx\n")
    assert "--metadata" in failure(f"ham10000:{tmp_path / 'm.csv'}")
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert "is not a folder" in failure(f"folder:{tmp_path / 'a.jpg'}")


def test_folders_without_class_folders(tmp_path: Path, make_image: MakeImage) -> None:
    assert "is empty" in failure(f"folder:{tmp_path}")
    (tmp_path / "nv").mkdir()
    assert "no images in the sub-folders" in failure(f"folder:{tmp_path}")
    make_image(tmp_path / "a.jpg")
    assert "no class folders" in failure(f"folder:{tmp_path}")


def test_unreadable_folder(class_folders: Path) -> None:
    secret = class_folders / "nv"
    secret.chmod(0)
    try:
        if os.access(secret, os.R_OK):
            pytest.skip("this user may read anything")
        assert "cannot be read" in failure(f"folder:{class_folders}")
    finally:
        secret.chmod(0o755)


def test_metadata_does_not_go_with_class_folders(class_folders: Path) -> None:
    with pytest.raises(UsageError, match="ham10000:"):
        open_dataset(f"folder:{class_folders}", metadata=Path("m.csv"))


def test_a_flat_folder_gives_images_without_labels(tmp_path: Path, make_image: MakeImage) -> None:
    for name in ("b.jpg", "a.v2.png", "b.png", ".hidden.jpg"):
        make_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    dataset = open_dataset(f"images:{tmp_path}")
    assert [(item.image_id, item.label, item.lesion_id) for item in dataset.items] == [
        ("a.v2", None, None),
        ("b", None, None),
    ]
    assert (dataset.classes, dataset.counts()) == ((), {})
    assert [(problem.image_id, problem.reason) for problem in dataset.problems] == [
        ("b", "same id as another image: b.jpg")
    ]
    assert len(stratified_limit(dataset, 1).items) == 1


def test_a_folder_of_classes_is_no_flat_folder(class_folders: Path, tmp_path: Path) -> None:
    assert f"for one folder a class write folder:{class_folders}, for" in failure(f"images:{class_folders}")
    (tmp_path / "none").mkdir()
    assert "no images in" in failure(f"images:{tmp_path / 'none'}")
    assert "names no folder" in failure("images:")
    assert "does not exist" in failure("images:/no/such/folder")
    with pytest.raises(UsageError, match=r"--metadata does not go with images:\S+, which has no labels; use ham10000:"):
        open_dataset(f"images:{class_folders}", metadata=Path("m.csv"))


def test_subset_keeps_order_classes_and_problems() -> None:
    dataset = labelled(mel=2, nv=3)
    problem = ImageProblem("nv/9", Path("/nv/9.jpg"), "missing file")
    dataset = Dataset(dataset.source, dataset.items, dataset.classes, (problem,))
    smaller = dataset.subset(["nv/9", "nv/2", "nv/0"])
    assert [item.image_id for item in smaller.items] == ["nv/0", "nv/2"]
    assert smaller.problems == (problem,)
    assert smaller.counts() == {"mel": 0, "nv": 2}
    assert dataset.subset([]).problems == ()
    with pytest.raises(DataError, match=r"1 of the wanted image ids .*\(typo\)"):
        dataset.subset(["nv/0", "typo"])


def test_repeated_ids_are_refused() -> None:
    item = ImageItem("a", Path("a.jpg"), "nv")
    with pytest.raises(DataError, match="more than once"):
        Dataset("folder:x", (item, item), ("nv",))


def test_limit_is_proportional_and_keeps_order() -> None:
    dataset = labelled(akiec=10, mel=30, nv=160)
    limited = stratified_limit(dataset, 40)
    assert limited.counts() == {"akiec": 2, "mel": 6, "nv": 32}
    positions = [dataset.items.index(item) for item in limited.items]
    assert positions == sorted(positions)


def test_limit_keeps_every_class_where_it_can() -> None:
    dataset = labelled(a=1, b=1, c=1, nv=997)
    assert stratified_limit(dataset, 4).counts() == {"a": 1, "b": 1, "c": 1, "nv": 1}
    assert stratified_limit(dataset, 10).counts() == {"a": 1, "b": 1, "c": 1, "nv": 7}
    assert stratified_limit(dataset, 2).counts() == {"a": 0, "b": 0, "c": 0, "nv": 2}


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 11, 50, 99, 150, 178])
def test_limit_is_exact_and_never_more_than_a_class_has(limit: int) -> None:
    dataset = labelled(a=1, b=3, c=50, d=125)
    limited = stratified_limit(dataset, limit)
    assert len(limited.items) == limit
    assert all(limited.counts()[name] <= dataset.counts()[name] for name in dataset.classes)


def test_limit_depends_on_the_seed_alone() -> None:
    dataset = labelled(mel=50, nv=50)
    ids = [item.image_id for item in stratified_limit(dataset, 6, seed=1).items]
    assert ids == [item.image_id for item in stratified_limit(dataset, 6, seed=1).items]
    assert ids != [item.image_id for item in stratified_limit(dataset, 6, seed=2).items]
    backwards = Dataset(dataset.source, dataset.items[::-1], dataset.classes)
    assert ids == [item.image_id for item in stratified_limit(backwards, 6, seed=1).items][::-1]


def test_limit_at_its_ends() -> None:
    dataset = labelled(mel=2, nv=3)
    assert stratified_limit(dataset, 5) is dataset
    assert stratified_limit(dataset, 5000) is dataset
    for limit in (0, -1):
        with pytest.raises(DataError, match="give 1 or more"):
            stratified_limit(dataset, limit)
