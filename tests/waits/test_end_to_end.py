from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from colours import write_folder
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import RuntimeRefused, WaitUnavailable
from edgebench.evaluation import Evaluator
from edgebench.records import Whole
from edgebench.spec import DataSpec
from edgebench.waits.end_to_end import BLOCK_NS, BLOCKS, IMAGES, MIN_RUNS, measure_end_to_end
from PIL import Image

from .support import SECOND, waiting

MODEL = FakeModel(latency_ns=5_000_000, photo_ns=(3_000_000, 1_000_000, 500_000, 300_000, 200_000))


class Placing(FakeDevice):
    """Looks at what it is given: by the time it is asked, a generated image may be gone."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.placed: list[Path] = []
        self.formats: list[str | None] = []

    def place(self, path: Path) -> str:
        if path.suffix in (".png", ".jpg"):
            self.placed.append(path)
            with Image.open(path) as image:
                self.formats.append(image.format)
        return super().place(path)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_folder(tmp_path_factory.mktemp("images"), per_class=6, size=10)
    gray = sorted(folder.rglob("*.png"))[0]
    Image.open(gray).convert("L").save(gray)
    return folder


def end_to_end(folder: Path, source: str, model: FakeModel = MODEL) -> tuple[Whole, Placing, Evaluator]:
    evaluator = Evaluator(DataSpec(source, normalize="-1..1"))
    context, outcome, device = waiting(folder, model, Placing({"one": model}), evaluator=evaluator)
    whole = measure_end_to_end(context, outcome)["end_to_end"]
    assert device.open_workers == 0
    assert isinstance(device, Placing)
    return whole, device, evaluator


def test_each_step_of_an_answer_has_its_part(tmp_path: Path, images: Path) -> None:
    whole, device, _ = end_to_end(tmp_path, f"folder:{images}")
    assert {part.name: part.p50_ns for part in whole.parts} == {
        "read and decode": 3e6,
        "resize": 1e6,
        "normalise": 0.5e6,
        "copy in": 0.3e6,
        "invoke": 5e6,
        "read out": 0.2e6,
    }
    assert whole.total.p50_ns == 10e6
    assert (whole.total.blocks, whole.total.count) == (BLOCKS, BLOCKS * BLOCK_NS // 10_000_000)
    assert whole.total.warmup_count == BLOCKS * 3
    assert "p50_ns" in whole.total.intervals
    openings = [number for number, command in device.log if command == "open_photos"]
    assert len(set(openings)) == BLOCKS


def test_files_are_drawn_by_class_and_what_was_skipped_stays_out(tmp_path: Path, images: Path) -> None:
    _, device, evaluator = end_to_end(tmp_path, f"folder:{images}")
    skipped = {item.image_id for item in evaluator.info().skipped}
    assert skipped == {"blue/blue_0000"}
    placed = device.placed
    assert len(set(placed)) == len(placed) == IMAGES
    classes = [path.parent.name for path in placed]
    assert {classes.count(name) for name in set(classes)} <= {4, 5}
    assert len(set(classes[:7])) > 3  # not one class after the other
    assert not [path for path in placed if path.name.startswith("blue_0000")]


def test_slow_models_get_their_answers_and_no_more(tmp_path: Path, images: Path) -> None:
    whole, _, _ = end_to_end(tmp_path, f"folder:{images}", FakeModel(latency_ns=200_000_000))
    assert whole.total.count == BLOCKS * MIN_RUNS
    whole, _, _ = end_to_end(tmp_path, f"folder:{images}", FakeModel(latency_ns=9 * SECOND))
    assert whole.total.count == BLOCKS
    assert (whole.total.p50_ns, whole.parts) == (None, ())
    assert whole.total.unavailable["p50_ns"] == "n too small: 4 samples, 11 needed"


def test_generated_images_become_files_and_leave_none(tmp_path: Path) -> None:
    _, device, evaluator = end_to_end(tmp_path, "phantom:count=12,size=32")
    assert evaluator.info().generated
    assert device.formats == ["JPEG"] * 12
    assert not [path for path in device.placed if path.exists() or path.parent.exists()]


def test_generated_images_that_cannot_be_written_are_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = Evaluator(DataSpec("phantom:count=8,size=32", normalize="-1..1"))
    context, outcome, _ = waiting(tmp_path, MODEL, evaluator=evaluator)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(WaitUnavailable, match="cannot be written to files: No such file"):
        measure_end_to_end(context, outcome)


def test_without_images_there_is_no_end_to_begin_from(tmp_path: Path) -> None:
    context, outcome, device = waiting(tmp_path, MODEL)
    with pytest.raises(WaitUnavailable, match="give --data SOURCE"):
        measure_end_to_end(context, outcome)
    assert device.log == []


def test_a_worker_without_pillow_is_the_reason(tmp_path: Path, images: Path) -> None:
    lacking = FakeModel(fails={"open_photos": RuntimeRefused("the worker's Python has no Pillow", "no-pillow")})
    with pytest.raises(RuntimeRefused, match="no Pillow"):
        end_to_end(tmp_path, f"folder:{images}", lacking)
