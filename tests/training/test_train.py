"""Training: that it learns, that caching changes nothing, that it survives, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgebench.errors import DataError, TrainingError
from edgebench.images.splits import Part
from edgebench_training import features, train
from edgebench_training.checkpoint import FOLDER_NAME, history_text
from edgebench_training.model import build_network
from edgebench_training.recipe import Recipe, recipe_dict
from small_training import tiny_recipe, write_classes

#: Largest difference of a loss between cached and computed features: float32 sums in another order.
SAME_LOSS = 1e-4
#: The same with features stored as float16, which keeps 11 bits.
SAME_LOSS_HALF = 5e-3


def source(colours: Path) -> str:
    return f"folder:{colours}"


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", SAME_LOSS), ("float16", SAME_LOSS_HALF)])
def test_cached_and_plain_training_have_the_same_loss_curve(
    tf: Any, colours: Path, weights: Path, tmp_path: Path, dtype: str, tolerance: float
) -> None:
    phases = {"head": {"epochs": 1, "batch_size": 16}, "tail": {"epochs": 1, "batch_size": 16}}
    recipe = tiny_recipe(str(weights), feature_dtype=dtype, **phases)
    cached = train.train(source(colours), recipe, tmp_path / "cached").history
    plain = train.train(source(colours), replace(recipe, cache_features=False), tmp_path / "plain").history
    for one, other in zip(cached, plain, strict=True):
        assert one.phase == other.phase
        assert abs(one.train_loss - other.train_loss) < tolerance
        assert abs(one.validation_loss - other.validation_loss) < tolerance
    assert [row.phase for row in cached] == ["head", "tail"]


def test_features_are_computed_once_and_removed_at_the_end(
    tf: Any, colours: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEBENCH_CACHE", str(tmp_path / "cache"))
    entries: list[set[Path]] = []
    written: list[Path] = []
    write = features._write

    def counting(path: Path, *arguments: Any) -> None:
        written.append(path)
        write(path, *arguments)

    monkeypatch.setattr(features, "_write", counting)
    train.train(source(colours), tiny_recipe(str(weights), keep_features=True), tmp_path / "a")
    assert len(written) == 4
    entries.append(set((tmp_path / "cache").glob("features-*")))
    train.train(source(colours), tiny_recipe(str(weights), seed=0, dropout=0.4), tmp_path / "b")
    assert len(written) == 4
    assert len(entries[0]) == 4
    assert not set((tmp_path / "cache").glob("features-*"))


def test_without_weights_every_layer_and_every_statistic_learns(tf: Any, colours: Path, tmp_path: Path) -> None:
    full = {"epochs": 3, "batch_size": 16, "learning_rate": 5e-3}
    recipe = tiny_recipe("none", full=full)
    trained = train.train(source(colours), recipe, tmp_path)
    assert {row.phase for row in trained.history} == {"full"}
    assert [round(row.learning_rate, 6) for row in trained.history] == [0.001, 0.00375, 0.00125]
    start = build_network(recipe, 3).whole
    for before, after in zip(start.weights, trained.model.weights, strict=True):
        assert not np.array_equal(before.numpy(), after.numpy()), after.path


def test_the_model_kept_is_the_best_one_of_the_history(tf: Any, colours: Path, tiny: Recipe, tmp_path: Path) -> None:
    trained = train.train(source(colours), tiny, tmp_path)
    best = max(row.validation_balanced_accuracy for row in trained.history if row.phase == "tail")
    assert trained.validation.balanced_accuracy == pytest.approx(best, abs=0.02)


def test_early_stopping_and_rate_reduction(tf: Any, colours: Path, weights: Path, tmp_path: Path) -> None:
    head = {"epochs": 30, "learning_rate": 1e-9, "patience": 4, "rate_patience": 2}
    recipe = tiny_recipe(str(weights), fine_tune_from="none", head=head, rate_factor=0.5)
    history = train.train(source(colours), recipe, tmp_path).history
    assert [row.learning_rate for row in history] == [1e-9, 1e-9, 1e-9, 5e-10, 5e-10]


CHILD = """
import sys, json
from pathlib import Path
from edgebench_training.recipe import resolve_recipe
from edgebench_training.train import train
from edgebench_training.checkpoint import history_text
trained = train(sys.argv[1], resolve_recipe(None, json.loads(sys.argv[2])), Path(sys.argv[3]))
print(history_text(trained.history), end="")
"""


def test_a_killed_training_goes_on_with_the_same_history(tf: Any, colours: Path, weights: Path, tmp_path: Path) -> None:
    tail = {"epochs": 12, "batch_size": 4, "patience": 12}
    recipe = tiny_recipe(str(weights), tail=tail)
    command = [sys.executable, "-c", CHILD, source(colours), json.dumps(recipe_dict(recipe)), str(tmp_path / "killed")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    checkpoint = tmp_path / "killed" / FOLDER_NAME / "checkpoint.npz"
    deadline = time.monotonic() + 120
    while _epochs(checkpoint) < 5:
        assert child.poll() is None, child.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    reached = _epochs(checkpoint)
    assert 5 <= reached < 14
    resumed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    whole = train.train(source(colours), recipe, tmp_path / "whole")
    assert resumed.stdout == history_text(whole.history)
    assert len(whole.history) == 14


def _epochs(checkpoint: Path) -> int:
    try:
        with np.load(checkpoint) as stored:
            return len(json.loads(str(stored["about"]))["state"]["history"])
    except (OSError, ValueError, KeyError, EOFError):
        return 0


def test_a_loss_that_is_no_number_is_one_clear_line(tf: Any, colours: Path, weights: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(str(weights), head={"epochs": 3, "learning_rate": 1e38, "weight_decay": 0.0})
    with pytest.raises(TrainingError, match=r"head: the loss became (nan|inf) in epoch \d, batch \d+") as caught:
        train.train(source(colours), recipe, tmp_path)
    assert "lower the learning rate" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_with_two_images_is_one_clear_line(tf: Any, weights: Path, tmp_path: Path) -> None:
    data = write_classes(tmp_path / "data", {"blue": 8, "red": 2})
    with pytest.raises(DataError, match="class red has 2 lesions, at least 3 needed"):
        train.train(source(data), tiny_recipe(str(weights)), tmp_path / "out")


def test_a_checkpoint_of_another_recipe_is_not_mixed_in(tf: Any, colours: Path, tiny: Recipe, tmp_path: Path) -> None:
    train.train(source(colours), tiny, tmp_path)
    with pytest.raises(TrainingError, match="another recipe, data set or starting weights"):
        train.train(source(colours), replace(tiny, dropout=0.5), tmp_path)
    (tmp_path / FOLDER_NAME / "checkpoint.npz").write_bytes(b"PK")
    with pytest.raises(TrainingError, match="is damaged"):
        train.train(source(colours), tiny, tmp_path)
    train.forget(tmp_path)
    train.train(source(colours), tiny, tmp_path)


def test_a_full_disk_is_one_clear_line(
    tf: Any, colours: Path, tiny: Recipe, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrainingError, match=r"checkpoint cannot be written.*No space left.*goes on from the last"):
        train.train(source(colours), tiny, small_disk / "model")
    monkeypatch.setenv("EDGEBENCH_CACHE", str(small_disk / "cache"))
    with pytest.raises(DataError, match="EDGEBENCH_CACHE"):
        train.train(source(colours), replace(tiny, copies=8), tmp_path / "model")


def test_parts_see_what_they_may(tf: Any, colours: Path, tiny: Recipe, tmp_path: Path) -> None:
    data = train.train(source(colours), tiny, tmp_path).data
    rows = [set(data.parts[part].rows.tolist()) for part in Part]
    assert not rows[0] & rows[1] | rows[1] & rows[2] | rows[0] & rows[2]
