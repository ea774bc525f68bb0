from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from edgebench.analysis.between_runs import compare_runs
from edgebench.changes import Basis, CaseChange, Change, ChangeVerdict, Metric
from edgebench.store import StoredRun
from simulated_runs import Truth, simulated_run, with_answers

TRUTH = ["mel"] * 100 + ["nv"] * 300 + ["df"] * 10
ALL_RIGHT = [True] * len(TRUTH)


def run(number: int, right: Sequence[bool] = ALL_RIGHT, sha256: str = "a" * 64) -> StoredRun:
    stored = simulated_run(number, {"float32": Truth(5.0, sha256)}, np.random.default_rng(number))
    return with_answers(stored, {"float32": right}, TRUTH)


def wrong(*places: range) -> list[bool]:
    missed = {place for part in places for place in part}
    return [place not in missed for place in range(len(TRUTH))]


def compared(base: StoredRun, new: StoredRun) -> CaseChange:
    return compare_runs(base, new, resamples=400).cases[0]


def changed(case: CaseChange, metric: Metric, label: str | None = None) -> Change:
    found = case.find(metric, label)
    assert found is not None
    return found


def test_a_damaged_class_is_worse_and_the_others_are_not() -> None:
    case = compared(run(1), run(2, wrong(range(20)), "f" * 64))
    mel = changed(case, Metric.RECALL, "mel")
    assert (mel.base, mel.new, mel.value) == pytest.approx((1.0, 0.8, -0.2))
    assert (mel.lost, mel.gained, mel.images) == (20, 0, 100)
    assert (mel.verdict, mel.basis) == (ChangeVerdict.WORSE, Basis.SAME_IMAGES)
    assert mel.low is not None
    assert mel.high is not None
    assert mel.one_sided_low is not None
    assert mel.low <= mel.one_sided_low < -0.2 < mel.high < 0
    assert "20 lost and 0 gained of 100 images" in mel.explanation
    assert changed(case, Metric.RECALL, "df").verdict is ChangeVerdict.UNDECIDED
    assert changed(case, Metric.TOP1).value == pytest.approx(-20 / 410)
    assert changed(case, Metric.BALANCED).value == pytest.approx(-0.2 / 3)


def test_a_class_that_got_better_is_so() -> None:
    case = compared(run(1, wrong(range(30))), run(2, sha256="f" * 64))
    assert changed(case, Metric.RECALL, "mel").verdict is ChangeVerdict.BETTER


def test_the_same_file_with_the_same_answers_leaves_nothing_to_chance() -> None:
    case = compared(run(1, wrong(range(20))), run(2, wrong(range(20))))
    for change in case.changes:
        if change.metric.is_share:
            assert (change.verdict, change.low, change.high) == (ChangeVerdict.SAME, 0.0, 0.0)


def test_another_file_with_the_same_answers_may_differ_on_other_images() -> None:
    case = compared(run(1), run(2, sha256="f" * 64))
    assert changed(case, Metric.RECALL, "df").verdict is ChangeVerdict.UNDECIDED
    assert changed(case, Metric.RECALL, "nv").verdict is ChangeVerdict.SAME


def test_figures_without_a_paired_interval_say_so() -> None:
    case = compared(run(1), run(2, wrong(range(20)), "f" * 64))
    for metric, label in ((Metric.MACRO_F1, None), (Metric.TOP2, None), (Metric.PRECISION, "nv"), (Metric.F1, "mel")):
        change = changed(case, metric, label)
        assert change.value is not None
        assert (change.low, change.verdict) == (None, None)
        assert "no paired interval" in change.unavailable["interval"]


def test_only_images_in_common_are_compared_and_that_is_a_doubt() -> None:
    base, new = run(1), run(2, wrong(range(20)), "f" * 64)
    assert new.predictions is not None
    fewer = replace(new, predictions=new.predictions[new.predictions["image_id"] >= "image-00010"])
    case = compared(base, fewer)
    mel = changed(case, Metric.RECALL, "mel")
    assert (mel.images, mel.lost) == (90, 10)
    assert case.doubts == ("accuracy: other images in the two runs (410 and 400); compared on the 400 in common",)
    assert case.find(Metric.MACRO_F1) is None


def test_images_with_other_labels_are_left_out_and_that_is_a_doubt() -> None:
    base, new = run(1), run(2)
    assert new.predictions is not None
    labels = new.predictions["label"].where(new.predictions["image_id"] != "image-00000", "nv")
    case = compared(base, replace(new, predictions=new.predictions.assign(label=labels)))
    assert case.doubts == ("accuracy: 1 image has another label in the other run; left out",)
    assert changed(case, Metric.RECALL, "mel").images == 99


def test_no_image_in_common_gives_no_difference() -> None:
    base, new = run(1), run(2)
    assert new.predictions is not None
    other = new.predictions.assign(image_id="other-" + new.predictions["image_id"])
    case = compared(base, replace(new, predictions=other))
    change = changed(case, Metric.TOP1)
    assert change.value is None
    assert "other images" in change.unavailable["value"]


def test_without_predictions_differences_have_no_interval() -> None:
    case = compared(run(1), replace(run(2, wrong(range(20)), "f" * 64), predictions=None))
    mel = changed(case, Metric.RECALL, "mel")
    assert mel.value == pytest.approx(-0.2)
    assert mel.verdict is None
    assert "predictions.parquet" in mel.unavailable["interval"]


def test_accuracy_of_one_side_alone_says_which() -> None:
    plain = simulated_run(1, {"float32": Truth()}, np.random.default_rng(1))
    change = changed(compared(plain, run(2)), Metric.TOP1)
    assert (change.base, change.new, change.value) == (None, 1.0, None)
    assert change.unavailable["value"] == "base: accuracy was not measured"


def test_images_of_one_lesion_count_as_one() -> None:
    def with_lesions(stored: StoredRun) -> StoredRun:
        assert stored.predictions is not None
        lesions = [f"lesion-{place // 10}" for place in range(len(TRUTH))]
        return replace(stored, predictions=stored.predictions.assign(lesion_id=lesions))

    base, new = run(1), run(2, wrong(range(10)), "f" * 64)
    alone = changed(compared(base, new), Metric.RECALL, "mel")
    together = changed(compared(with_lesions(base), with_lesions(new)), Metric.RECALL, "mel")
    assert alone.verdict is ChangeVerdict.WORSE
    assert together.verdict is ChangeVerdict.UNDECIDED
    assert "of 10 lesions" in together.explanation
