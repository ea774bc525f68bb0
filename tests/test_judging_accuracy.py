"""What is recorded of a case against its float model: by label, on the images that both answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colours import write_folder
from edgebench.analysis.operating import JudgedImages
from edgebench.devices.fake import FakeModel
from edgebench.evaluation import Evaluator, Scored
from edgebench.judging_accuracy import accuracy_baseline, judge_accuracy
from edgebench.outcome import Outcome
from edgebench.records import AccuracyComparison, AccuracyVerdict, Delegate, DelegateKind, Engine
from edgebench.spec import DataSpec
from fake_runs import build, results
from simulated_answers import (
    HAM10000_TEST,
    Images,
    changes_by_chance,
    judged,
    operating_targets,
    outcome,
    paired_outcomes,
    placed,
    scored,
)

LABELS = ("mel", "nv", "df")


def some(seed: int = 0) -> Images:
    return Images.drawn({"nv": (120, 90), "mel": (60, 40), "df": (17, 11)}, np.random.default_rng(seed))


def answers(images: Images, share: float, labels: tuple[str, ...] = LABELS, seed: int = 1) -> Scored:
    rng = np.random.default_rng(seed)
    return scored(images, rng.random(len(images.truth)) < share, labels, rng)


def compared(outcomes: list[Outcome]) -> AccuracyComparison:
    judge_accuracy(outcomes)
    assert outcomes[0].result.accuracy_comparison is None
    found = outcomes[1].result.accuracy_comparison
    assert found is not None
    return found


def test_a_case_is_compared_by_label_and_not_by_column() -> None:
    images = some()
    one = answers(images, 0.8)
    order = [2, 0, 1]
    other = replace(one, labels=tuple(LABELS[index] for index in order), scores=one.scores[:, order])
    found = compared(paired_outcomes(one, other))
    assert (found.against, found.images, found.lesions) == ("net/float32", 197, 141)
    assert found.agreement is not None
    assert (found.agreement.top1, found.agreement.max_score_difference) == (1, 0)
    assert [item.name for item in found.classes] == ["df", "mel", "nv"]
    assert all((item.gained, item.lost) == (0, 0) for item in found.classes)
    assert found.notes == ()


def test_gains_and_losses_are_those_of_the_images() -> None:
    images = some()
    before, after = answers(images, 0.9, seed=1), answers(images, 0.5, LABELS[::-1], seed=2)
    found = compared(paired_outcomes(before, after))
    names = np.array(images.truth)
    rights = [np.array(part.labels)[part.scores.argmax(axis=1)] == names for part in (before, after)]
    for item in found.classes:
        mine = names == item.name
        assert item.lost == (rights[0] & ~rights[1])[mine].sum()
        assert item.gained == (~rights[0] & rights[1])[mine].sum()
    assert found.top1 is not None
    assert found.top1.verdict is AccuracyVerdict.WORSE
    assert found.balanced_accuracy is not None
    assert found.balanced_accuracy.verdict is AccuracyVerdict.WORSE


def test_only_common_images_are_compared_whatever_their_order() -> None:
    images = some()
    one = answers(images, 0.8)
    keep = np.random.default_rng(3).permutation(len(images.truth))[:150]
    items = tuple(one.images.items[index] for index in keep)
    other = replace(one, images=replace(one.images, items=items), scores=one.scores[keep])
    found = compared(paired_outcomes(one, other))
    assert found.images == 150
    assert found.agreement is not None
    assert found.agreement.top1 == 1
    assert found.notes == ("150 images were answered by both, 150 by this case and 197 by the other",)


def test_no_common_image_is_said() -> None:
    one = answers(some(), 0.8)
    items = tuple(replace(item, image_id=f"other-{item.image_id}") for item in one.images.items)
    found = compared(paired_outcomes(one, replace(one, images=replace(one.images, items=items))))
    assert (found.images, found.top1) == (0, None)
    assert found.unavailable["top1"] == "no image was answered by both this case and net/float32"


def test_images_without_labels_have_an_agreement_and_nothing_else() -> None:
    one = answers(some(), 0.8)
    items = tuple(replace(item, label=None) for item in one.images.items)
    unlabelled = replace(one, images=replace(one.images, items=items))
    found = compared(paired_outcomes(unlabelled, unlabelled))
    assert found.agreement is not None
    assert found.agreement.top1 == 1
    assert (found.top1, found.balanced_accuracy, found.classes) == (None, None, ())
    assert set(found.unavailable.values()) == {"the images have no labels"}


def test_models_with_other_labels_are_compared_as_far_as_they_go() -> None:
    images = some()
    found = compared(paired_outcomes(answers(images, 0.8), answers(images, 0.8, (*LABELS, "scc"))))
    assert found.top1 is not None
    assert found.agreement is not None
    assert "only one of them knows scc" in found.agreement.unavailable["mean_score_difference"]
    assert found.classes[-1].unavailable == {"difference": "no image of this class"}


def test_a_baseline_without_scores_is_named() -> None:
    found = compared(paired_outcomes(None, answers(some(), 0.8)))
    assert found.unavailable["agreement"] == "net/float32 has no scores to compare with"


def test_a_baseline_that_is_no_float_model_is_noted() -> None:
    images = some()
    baseline = outcome("dynamic", answers(images, 0.8))
    outcomes = [baseline, outcome("int8", answers(images, 0.8), baseline)]
    assert compared(outcomes).notes == ("dynamic is dynamic: this is what changed against it, not against float32",)


def test_the_float_model_of_the_same_engine_is_preferred() -> None:
    images = some()
    first = outcome("float32", answers(images, 0.8))
    two_threads = outcome("float32", answers(images, 0.8), first, case_id="float32/t2", threads=2)
    compiled = outcome("float32", answers(images, 0.8), first, case_id="float32/compiled", engine=Engine.COMPILED)
    plain = outcome("int8", answers(images, 0.8), first)
    on_compiled = outcome("int8", answers(images, 0.8), first, case_id="int8/compiled", engine=Engine.COMPILED)
    on_two = outcome("int8", answers(images, 0.8), first, case_id="int8/t2", threads=2)
    bare = outcome("int8", answers(images, 0.8), first, case_id="bare", delegate=Delegate(DelegateKind.NONE), threads=2)
    everything = [first, two_threads, compiled, plain, on_compiled, on_two, bare]
    assert accuracy_baseline(first, everything) is None
    expected = {"float32/t2": first, "float32/compiled": first, "net/int8": first, "int8/compiled": compiled}
    expected |= {"int8/t2": two_threads, "bare": two_threads}
    for item in everything[1:]:
        assert accuracy_baseline(item, everything) is expected[item.case.case_id]
    compiled.scored = None
    assert accuracy_baseline(on_compiled, everything) is first


def test_operating_points_need_the_validation_part() -> None:
    images = some()
    one = answers(images, 0.9)
    validation = answers(some(5), 0.9, seed=8)
    items = validation.images.items
    one = replace(
        one, validation=JudgedImages(validation.scores, [item.label or "" for item in items], [None] * len(items))
    )
    outcomes = paired_outcomes(one, replace(one, validation=None))
    judge_accuracy(outcomes, operating_targets(("mel", 0.8), ("nv", 0.5)))
    points = outcomes[0].result.operating_points
    assert [(point.label, point.wanted_specificity) for point in points] == [("mel", 0.8), ("nv", 0.5)]
    assert (points[0].threshold, points[0].positives, points[0].validation_images) == (1, 60, 197)
    assert outcomes[1].result.operating_points == ()


def test_no_false_alarms_in_simulated_answers() -> None:
    """``tests/proofs/accuracy.py same`` does this 500 times."""
    rng = np.random.default_rng(4)
    worse = 0
    for _ in range(20):
        images = Images.drawn(HAM10000_TEST, rng)
        found = judged(images, changes_by_chance(images, 0.10, 0.5, rng), rng)
        worse += any(item.verdict is AccuracyVerdict.WORSE for item in found.classes)
    assert worse <= 1


def test_15_lost_and_1_gained_of_100_are_found() -> None:
    """``tests/proofs/accuracy.py worse`` does this 200 times for each class."""
    rng = np.random.default_rng(4)
    sizes = {name: size for name, size in HAM10000_TEST.items() if name not in ("mel", "nv")}
    sizes |= {"nv": (200, 160), "mel": (100, 76)}
    verdicts = []
    for _ in range(10):
        images = Images.drawn(sizes, rng)
        changes = placed(images, "mel", 15, 1, 0.5, rng)
        (mel,) = [item for item in judged(images, changes, rng).classes if item.name == "mel"]
        assert (mel.lost, mel.gained) == (15, 1)
        assert mel.difference == pytest.approx(-0.14)
        verdicts.append(mel.verdict)
    assert verdicts.count(AccuracyVerdict.WORSE) >= 8


def test_what_was_classified_before_an_interrupt_is_compared(tmp_path: Path) -> None:
    def stopped(start: int, stop: int) -> list[list[float]]:
        raise KeyboardInterrupt

    folder = write_folder(tmp_path / "images", per_class=2, size=8)
    models = {"a": FakeModel(), "b": FakeModel(), "c": FakeModel(scores=stopped), "d": FakeModel()}
    judge = Evaluator(DataSpec(f"folder:{folder}", normalize="-1..1"))
    runner, _ = build(tmp_path / "models", models, evaluator=judge)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    found = results(runner)
    assert found["b"].accuracy_comparison is not None
    assert found["b"].accuracy_comparison.images == 14
    assert (found["c"].accuracy_comparison, found["d"].accuracy_comparison) == (None, None)


def test_a_model_whose_scores_cannot_be_judged_is_compared_with_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", per_class=2, size=8)
    bad = FakeModel(scores=lambda start, stop: [[float("nan")] * 7] * (stop - start))
    judge = Evaluator(DataSpec(f"folder:{folder}", normalize="-1..1"))
    runner, _ = build(tmp_path / "models", {"a": bad, "b": FakeModel()}, evaluator=judge)
    runner.run()
    found = results(runner)
    assert found["a"].failure is not None
    assert found["a"].failure.message == "14 of 14 images got scores that are not finite (NaN or infinity)"
    assert found["b"].accuracy_comparison is not None
    reason = f"{found['a'].case_id} has no scores to compare with"
    assert set(found["b"].accuracy_comparison.unavailable.values()) == {reason}
