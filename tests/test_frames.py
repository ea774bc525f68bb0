from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from edgebench.evaluation import Scored
from edgebench.frames import predictions_frame, samples_frame
from edgebench.images.cache import CachedImages
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.images.items import ImageItem
from edgebench.records import Accuracy
from edgebench.rounds import SampleLog
from edgebench.session import Samples

SAMPLE_TYPES = {
    "case": "category",
    "block": "int32",
    "round": "int32",
    "start_ns": "int64",
    "latency_ns": "int64",
    "warmup": "bool",
}


def log(*bursts: tuple[int, int, bool, list[int]]) -> SampleLog:
    result = SampleLog()
    for block, round_index, warmup, latencies in bursts:
        starts = np.arange(len(latencies), dtype=np.int64) + 10**15
        result.add(block, round_index, warmup, Samples(starts, np.array(latencies, np.int64)))
    return result


def scored(labels: tuple[str, ...], scores: list[list[float]], ids: list[str], lesions: bool = False) -> Scored:
    items = tuple(
        ImageItem(name, Path(name), labels[0], f"lesion_{i}" if lesions else None) for i, name in enumerate(ids)
    )
    images = CachedImages(Path("pixels"), items, (), Geometry(8, 8, 3, ResizeMode.STRETCH))
    accuracy = Accuracy(len(ids), 0.0, None, None, None, None, labels, (), ())
    return Scored(images, labels, np.array(scores, np.float32), accuracy)


def stored(frame: pd.DataFrame, tmp_path: Path) -> pd.DataFrame:
    frame.to_parquet(tmp_path / "f.parquet", index=False)
    return pd.read_parquet(tmp_path / "f.parquet")


def test_samples_keep_order_marks_and_types_through_the_file(tmp_path: Path) -> None:
    frame = samples_frame([("a", log((0, 0, True, [9]), (0, 0, False, [5, 6]))), ("b", log((1, 3, False, [2**40])))])
    back = stored(frame, tmp_path)
    assert {name: str(kind) for name, kind in back.dtypes.items()} == SAMPLE_TYPES
    assert back["case"].tolist() == ["a", "a", "a", "b"]
    assert back["latency_ns"].tolist() == [9, 5, 6, 2**40]
    assert back["warmup"].tolist() == [True, False, False, False]
    assert back["round"].tolist() == [0, 0, 0, 3]
    assert back["block"].tolist() == [0, 0, 0, 1]
    assert back["start_ns"].iloc[2] == 10**15 + 1


def test_no_samples_are_an_empty_frame_of_the_same_types(tmp_path: Path) -> None:
    for logs in ([], [("a", SampleLog())]):
        back = stored(samples_frame(logs), tmp_path)
        assert len(back) == 0
        # An empty category does not survive parquet: it is plain text from the start.
        assert {name: str(kind) for name, kind in back.dtypes.items()} == {**SAMPLE_TYPES, "case": "object"}


def test_a_case_without_samples_is_left_out_beside_others() -> None:
    frame = samples_frame([("none", SampleLog()), ("b", log((0, 0, False, [1])))])
    assert frame["case"].tolist() == ["b"]


def test_nothing_classified_is_none() -> None:
    assert predictions_frame([]) is None


def test_scores_stay_float32_bit_by_bit(tmp_path: Path) -> None:
    third = float(np.float32(1) / np.float32(3))
    frame = predictions_frame([("c", scored(("a", "b"), [[third, 1.0], [0.0, -1.5]], ["x", "y"], lesions=True))])
    assert frame is not None
    back = stored(frame, tmp_path)
    assert list(back.columns) == ["case", "image_id", "lesion_id", "label", "score:a", "score:b"]
    assert back["score:a"].dtype == np.float32
    assert back["score:a"].tolist() == [third, 0.0]
    assert back["lesion_id"].tolist() == ["lesion_0", "lesion_1"]
    assert str(back["case"].dtype) == "category"


def test_cases_with_other_labels_leave_those_columns_empty(tmp_path: Path) -> None:
    frame = predictions_frame(
        [
            ("one", scored(("a", "b"), [[0.1, 0.9]], ["x"])),
            ("two", scored(("b", "c"), [[0.3, 0.7]], ["x"], lesions=True)),
        ]
    )
    assert frame is not None
    back = stored(frame, tmp_path)
    assert [name for name in back.columns if name.startswith("score:")] == ["score:a", "score:b", "score:c"]
    assert back["score:a"].isna().tolist() == [False, True]
    assert back["score:b"].tolist() == [float(np.float32(0.9)), float(np.float32(0.3))]
    assert back["score:c"].isna().tolist() == [True, False]
    assert back["score:c"].dtype == np.float32
    assert back["lesion_id"].isna().tolist() == [True, False]


def test_lesions_that_nobody_knows_are_empty(tmp_path: Path) -> None:
    frame = predictions_frame([("c", scored(("a", "b"), [[0.1, 0.9]], ["x"]))])
    assert frame is not None
    assert stored(frame, tmp_path)["lesion_id"].isna().all()


def test_a_file_name_with_bytes_that_are_no_text_can_be_stored(tmp_path: Path) -> None:
    frame = predictions_frame([("c", scored(("a", "b"), [[0.1, 0.9]], ["red/r\udcff"]))])
    assert frame is not None
    assert stored(frame, tmp_path)["image_id"].tolist() == ["red/r\\udcff"]
