from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edgebench.card import read_card, read_labels
from edgebench.errors import ModelError
from edgebench.images.geometry import ResizeMode


def write(folder: Path, card: Any = None, labels: bytes | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    if card is not None:
        (folder / "card.json").write_text(card if isinstance(card, str) else json.dumps(card))
    if labels is not None:
        (folder / "labels.txt").write_bytes(labels)
    return folder


def preprocessing(**parts: Any) -> dict[str, Any]:
    return {"preprocessing": parts}


def test_a_folder_without_card_and_labels_has_none(tmp_path: Path) -> None:
    assert read_card(tmp_path) is None
    assert read_card(write(tmp_path, "{}")) is None


def test_a_full_card(tmp_path: Path) -> None:
    data = {
        "name": "skin",
        "labels": ["nv", " mel "],
        "preprocessing": {"resize": "crop", "normalization": {"name": "mine", "mean": [1, 2, 3], "std": [4, 5, 6.5]}},
        "anything": {"else": 1},
    }
    card = read_card(write(tmp_path, data))
    assert card is not None
    assert (card.name, card.labels, card.resize) == ("skin", ("nv", "mel"), ResizeMode.CROP)
    assert card.normalization is not None
    assert (card.normalization.name, card.normalization.mean, card.normalization.std) == (
        "mine",
        (1.0, 2.0, 3.0),
        (4.0, 5.0, 6.5),
    )


def test_labels_file_alone(tmp_path: Path) -> None:
    card = read_card(write(tmp_path, labels=b"b\na\n"))
    assert card is not None
    assert (card.name, card.labels, card.resize, card.normalization) == (None, ("b", "a"), None, None)


def test_a_byte_order_mark_is_no_part_of_the_first_label_or_of_json(tmp_path: Path) -> None:
    folder = write(tmp_path, "\ufeff" + json.dumps({"name": "x"}), labels=b"\xef\xbb\xbfakiec\r\nbcc\r\n\r\n  \r\n")
    card = read_card(folder)
    assert card is not None
    assert (card.name, card.labels) == ("x", ("akiec", "bcc"))


def test_labels_in_both_places_must_agree(tmp_path: Path) -> None:
    """Scores under the wrong names would be silently wrong figures."""
    card = read_card(write(tmp_path / "same", {"labels": ["a", "b"]}, b"a\nb\n"))
    assert card is not None
    assert card.labels == ("a", "b")
    with pytest.raises(ModelError, match=r"labels\.txt and card\.json beside it name different labels"):
        read_card(write(tmp_path / "other", {"labels": ["a", "b"]}, b"b\na\n"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "one label a line, without gaps"),
        (b"\n\n", "without gaps"),
        (b"a\n\nb\n", "without gaps"),
        (b"a\nb\na\n", "the label 'a' stands there twice"),
        (b"a\n a \n", "twice"),
        (b"\xff\xfe\x00a", "cannot be read as a text file"),
    ],
)
def test_labels_files_that_cannot_be_used(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "l.txt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said) as caught:
        read_labels(path)
    assert str(caught.value).startswith(str(path))


def test_labels_that_are_missing_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(ModelError, match="cannot be read"):
            read_labels(path)


@pytest.mark.parametrize(
    "card",
    [
        "{",
        "",
        "[]",
        "5",
        '"text"',
        "null",
        "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"),
        "[" * 100_000,
        {"name": 5},
        {"name": ["a"]},
        {"labels": "abc"},
        {"labels": []},
        {"labels": {"0": "a"}},
        {"labels": ["a", 1]},
        {"labels": ["a", None]},
        {"labels": ["a", " "]},
        {"labels": ["a", "b", "a"]},
        {"preprocessing": []},
        {"preprocessing": None},
        {"preprocessing": "crop"},
        preprocessing(resize="zoom"),
        preprocessing(resize=5),
        preprocessing(resize=["crop"]),
        preprocessing(resize={}),
        preprocessing(normalization="-1..1"),
        preprocessing(normalization=[]),
        preprocessing(normalization={}),
        preprocessing(normalization={"mean": [1]}),
        preprocessing(normalization={"mean": 1, "std": 1}),
        preprocessing(normalization={"mean": "123", "std": "456"}),
        preprocessing(normalization={"mean": {"1": 2}, "std": [1]}),
        preprocessing(normalization={"mean": [], "std": []}),
        preprocessing(normalization={"mean": [1], "std": [0]}),
        preprocessing(normalization={"mean": [1], "std": [-1]}),
        preprocessing(normalization={"mean": [1, 2], "std": [1, 2]}),
        preprocessing(normalization={"mean": [1, 2, 3], "std": [1]}),
        preprocessing(normalization={"mean": [[1]], "std": [1]}),
        preprocessing(normalization={"mean": [None], "std": [1]}),
        preprocessing(normalization={"mean": ["x"], "std": [1]}),
        preprocessing(normalization={"mean": [10**400], "std": [1]}),
        preprocessing(normalization={"mean": [float("nan")], "std": [1]}),
        preprocessing(normalization={"mean": [1], "std": [float("inf")]}),
    ],
)
def test_a_card_that_cannot_be_understood_is_one_line_naming_the_card(tmp_path: Path, card: Any) -> None:
    with pytest.raises(ModelError) as caught:
        read_card(write(tmp_path, card))
    assert str(tmp_path / "card.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_that_is_a_folder_or_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "card.json").mkdir()
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        read_card(tmp_path)
    (tmp_path / "card.json").rmdir()
    (tmp_path / "card.json").write_bytes(b'{"name": "\xff"}')
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        read_card(tmp_path)
