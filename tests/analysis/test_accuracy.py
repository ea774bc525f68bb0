from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.accuracy import measure_accuracy
from edgebench.analysis.calibration import BINS
from edgebench.analysis.proportions import wilson
from edgebench.errors import DataError, ScoreError
from sklearn import metrics

NAMES = ("vasc", "akiec", "nv", "bcc", "mel", "bkl", "df")  # a model's own order is seldom alphabetical
Array = np.ndarray[Any, Any]


def table(seed: int, images: int = 200, labels: Sequence[str] = NAMES) -> tuple[list[str], Array]:
    """Return random truth and scores that are right about half the time."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(labels), images, p=rng.dirichlet(np.ones(len(labels))))
    scores = rng.random((images, len(labels))) + np.eye(len(labels))[truth] * rng.random((images, 1))
    return [labels[index] for index in truth], scores


def compare(labels: Sequence[str], truth: list[str], scores: Array) -> None:
    """Every figure equals scikit-learn's over the names of the classes."""
    result = measure_accuracy(labels, truth, scores)
    predicted = [labels[column] for column in scores.argmax(axis=1)]
    present = [label for label in labels if label in truth]
    options: dict[str, Any] = {"labels": present, "zero_division": 0}

    def close(value: float | None, expected: float) -> None:
        assert value is not None
        assert value == pytest.approx(expected, abs=1e-12)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(result.top1, metrics.accuracy_score(truth, predicted))
        close(result.balanced_accuracy, metrics.balanced_accuracy_score(truth, predicted))
        close(result.macro_f1, metrics.f1_score(truth, predicted, average="macro", **options))
        close(result.weighted_f1, metrics.f1_score(truth, predicted, average="weighted", **options))
        if len(labels) > 2:
            columns = [labels.index(label) for label in truth]
            close(
                result.top2,
                metrics.top_k_accuracy_score(columns, scores, k=2, labels=list(range(len(labels)))),
            )
        matrix = metrics.confusion_matrix(truth, predicted, labels=list(labels))
    assert [list(row) for row in result.confusion] == matrix.tolist()
    assert result.labels == tuple(labels) == tuple(item.label for item in result.classes)
    assert result.images == len(truth)
    for label, item in zip(labels, result.classes, strict=True):
        assert (item.support, item.predicted) == (truth.count(label), predicted.count(label))
        one = metrics.precision_recall_fscore_support(truth, predicted, labels=[label], zero_division=0)
        for value, expected, defined in (
            (item.precision, one[0][0], item.predicted > 0),
            (item.recall, one[1][0], item.support > 0),
            (item.f1, one[2][0], item.support > 0),
        ):
            if defined:
                close(value, expected)
            else:
                assert value is None


@pytest.mark.parametrize("seed", range(12))
def test_equals_scikit_learn(seed: int) -> None:
    compare(NAMES, *table(seed))


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_labels_changes_no_figure(seed: int) -> None:
    truth, scores = table(seed)
    order = np.random.default_rng(seed + 100).permutation(len(NAMES))
    shuffled = [NAMES[index] for index in order]
    compare(shuffled, truth, scores[:, order])
    one, other = measure_accuracy(NAMES, truth, scores), measure_accuracy(shuffled, truth, scores[:, order])
    assert {item.label: item for item in one.classes} == {item.label: item for item in other.classes}
    assert one.balanced_accuracy == pytest.approx(other.balanced_accuracy, abs=1e-12)


def test_an_absent_class_neither_helps_nor_hurts() -> None:
    truth, scores = table(3)
    keep = [row for row, label in enumerate(truth) if label != "df"]
    truth, scores = [truth[row] for row in keep], scores[keep]
    compare(NAMES, truth, scores)
    absent = measure_accuracy(NAMES, truth, scores).classes[NAMES.index("df")]
    assert (absent.support, absent.recall, absent.f1) == (0, None, None)


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    truth, scores = table(4)
    scores[:, NAMES.index("mel")] = -1
    compare(NAMES, truth, scores)
    never = measure_accuracy(NAMES, truth, scores).classes[NAMES.index("mel")]
    assert never.support > 0
    assert (never.predicted, never.recall, never.precision, never.f1) == (0, 0.0, None, 0.0)


def test_a_class_neither_there_nor_predicted() -> None:
    result = measure_accuracy(("a", "b", "c"), ["a", "b"], np.array([[1.0, 0, 0], [0, 1, 0]]))
    assert (result.classes[2].recall, result.classes[2].precision, result.classes[2].f1) == (None, None, None)
    assert (result.balanced_accuracy, result.macro_f1, result.top1) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("right", [True, False])
def test_images_of_one_class_only(right: bool) -> None:
    """No warning either: they are errors in this suite."""
    result = measure_accuracy(("a", "b", "c"), ["b"] * 5, np.eye(3)[[1 if right else 2] * 5])
    assert result.balanced_accuracy == result.top1 == float(right)


def test_one_image() -> None:
    compare(NAMES, *table(0, images=1))


def test_everything_wrong_is_zero_not_unknown() -> None:
    result = measure_accuracy(("a", "b", "c"), ["a", "b", "c"], np.eye(3)[[1, 2, 0]])
    assert (result.top1, result.balanced_accuracy, result.macro_f1, result.weighted_f1) == (0, 0, 0, 0)


def test_two_classes_have_no_top2_and_say_why() -> None:
    labels = ("benign", "malignant")
    truth, scores = table(1, labels=labels)
    compare(labels, truth, scores)
    result = measure_accuracy(labels, truth, scores)
    assert result.top2 is None
    assert "two classes" in result.unavailable["top2"]
    assert "top2" not in measure_accuracy(NAMES, *table(1)).unavailable


def test_ties_go_to_the_earlier_column() -> None:
    scores = np.array([[0.5, 0.5, 0.5], [0.1, 0.4, 0.4], [0.0, 0.0, 0.0], [0.3, 0.7, 0.3]])
    result = measure_accuracy(("a", "b", "c"), ["a", "b", "c", "c"], scores)
    assert result.confusion == ((1, 0, 0), (0, 1, 0), (1, 1, 0))
    assert result.top1 == 0.5
    assert result.top2 == 0.5  # rows 2 and 3: c ties behind the earlier columns


@pytest.mark.parametrize("seed", range(5))
def test_ties_among_many_classes_too(seed: int) -> None:
    """A sort that is not stable shows with more columns than it sorts by insertion."""
    rng = np.random.default_rng(seed)
    labels = [f"class{column}" for column in range(60)]
    scores = rng.integers(0, 4, (50, 60)) / 4
    truth = rng.integers(0, 60, 50)
    best = [sorted(range(60), key=lambda column: (-row[column], column))[:2] for row in scores]
    # Half of the truth is put second among equals, where an unstable sort would lose it.
    truth[::2] = [pair[1] for pair in best[::2]]
    expected = np.mean([column in pair for column, pair in zip(truth, best, strict=True)])
    assert measure_accuracy(labels, [labels[column] for column in truth], scores).top2 == pytest.approx(expected)


def test_scores_of_any_float_kind() -> None:
    truth, scores = table(2)
    single = scores.astype(np.float32)
    assert measure_accuracy(NAMES, truth, single) == measure_accuracy(NAMES, truth, single.astype(np.float64))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_the_models_failure(bad: float) -> None:
    truth, scores = table(0, images=10)
    scores[3, 2] = scores[3, 4] = scores[7, 0] = bad
    with pytest.raises(ScoreError, match="2 of 10 images got scores that are not finite") as caught:
        measure_accuracy(NAMES, truth, scores)
    assert caught.value.exit_code == 3


def test_an_image_of_an_unknown_class_is_named() -> None:
    truth, scores = table(0, images=10)
    truth[4] = "scc"
    with pytest.raises(DataError, match=r"images of class 'scc', which is not among the model's labels vasc, akiec"):
        measure_accuracy(NAMES, truth, scores)


def test_labels_that_repeat_a_name() -> None:
    with pytest.raises(DataError, match="the labels repeat a name"):
        measure_accuracy(("a", "b", "a"), ["a"], np.ones((1, 3)))


@pytest.mark.parametrize(
    ("truth", "shape"), [([], (0, 7)), (["nv"], (1, 6)), (["nv"], (2, 7)), (["nv"], (7,)), (["nv"], (1, 7, 1))]
)
def test_shapes_that_do_not_fit(truth: list[str], shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="scores have shape"):
        measure_accuracy(NAMES, truth, np.zeros(shape))


def test_figures_are_plain_numbers_that_json_can_hold() -> None:
    result = asdict(measure_accuracy(NAMES, *table(0)))
    assert json.loads(json.dumps(result))["images"] == 200
    assert type(result["confusion"][0][0]) is int


def probabilities(seed: int, images: int = 300) -> tuple[list[str], Array]:
    """Return truth and scores that are probabilities."""
    truth, scores = table(seed, images)
    return truth, scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(4))
def test_macro_and_weighted_precision_equal_scikit_learn(seed: int) -> None:
    truth, scores = table(seed)
    result = measure_accuracy(NAMES, truth, scores)
    predicted = [NAMES[column] for column in scores.argmax(axis=1)]
    options: dict[str, Any] = {"labels": [name for name in NAMES if name in truth], "zero_division": 0}
    for value, average in ((result.macro_precision, "macro"), (result.weighted_precision, "weighted")):
        expected = metrics.precision_score(truth, predicted, average=average, **options)
        assert value == pytest.approx(expected, abs=1e-9)
    assert result.balanced_accuracy == pytest.approx(
        metrics.recall_score(truth, predicted, average="macro", **options), abs=1e-9
    )
    assert result.top1 == pytest.approx(metrics.recall_score(truth, predicted, average="weighted", **options), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_auc_and_brier_score_equal_scikit_learn(seed: int) -> None:
    truth, scores = probabilities(seed)
    result = measure_accuracy(NAMES, truth, scores)
    brier = 0.0
    for column, item in enumerate(result.classes):
        of_class = [name == item.label for name in truth]
        brier += metrics.brier_score_loss(of_class, scores[:, column])
        if item.support:
            assert item.roc_auc == pytest.approx(metrics.roc_auc_score(of_class, scores[:, column]), abs=1e-9)
    assert result.brier == pytest.approx(brier, abs=1e-9)


def test_calibration_error_by_hand() -> None:
    """Two bins: four images at 0.9 of which two are right, one at 0.6 which is right."""
    best = [0.9, 0.9, 0.9, 0.9, 0.6]
    scores = np.array([[value, 1 - value] for value in best])
    result = measure_accuracy(("a", "b"), ["a", "a", "b", "b", "a"], scores)
    assert BINS == 15
    assert result.ece == pytest.approx((4 * 0.4 + 1 * 0.4) / 5, abs=1e-9)
    assert result.brier == pytest.approx((2 * 2 * 0.01 + 2 * 2 * 0.81 + 2 * 0.16) / 5, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_equals_a_plain_loop(seed: int) -> None:
    truth, scores = probabilities(seed)
    total = 0.0
    for index in range(BINS):
        rows = [i for i in range(300) if index / BINS < scores[i].max() <= (index + 1) / BINS]
        right = [NAMES[scores[i].argmax()] == truth[i] for i in rows]
        total += abs(sum(scores[i].max() for i in rows) - sum(right))
    assert measure_accuracy(NAMES, truth, scores).ece == pytest.approx(total / 300, abs=1e-9)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (np.array([[-1.0, 3.0, 0.0]]), "they lie between -1 and 3"),
        (np.array([[0.9, 0.8, 0.1]]), "those of an image add up to 1.8 to 1.8"),
    ],
)
def test_scores_that_are_no_probabilities_have_no_calibration(scores: Array, reason: str) -> None:
    result = measure_accuracy(("a", "b", "c"), ["a"], scores)
    assert (result.ece, result.brier) == (None, None)
    assert reason in result.unavailable["ece"]
    assert result.unavailable["brier"] == result.unavailable["ece"]


def test_rounded_probabilities_are_probabilities() -> None:
    truth, scores = probabilities(0)
    assert measure_accuracy(NAMES, truth, np.round(scores * 256) / 256).ece is not None


@pytest.mark.parametrize("seed", range(4))
def test_every_figure_lies_in_its_interval(seed: int) -> None:
    truth, scores = probabilities(seed)
    result = measure_accuracy(NAMES, truth, scores, resamples=500)
    assert set(result.intervals) == {
        "top1", "top2", "balanced_accuracy", "macro_precision", "macro_f1", "weighted_precision", "weighted_f1",
        "ece", "brier",
    }  # fmt: skip
    for name, (low, high) in result.intervals.items():
        assert 0 <= low <= getattr(result, name) <= high, name
        assert low < high
    for item in result.classes:
        for name, (low, high) in item.intervals.items():
            assert low <= getattr(item, name) <= high, (item.label, name)
        assert {"recall", "precision", "f1", "roc_auc"} == set(item.intervals) | set(item.unavailable)


def test_shares_of_independent_images_have_wilsons_interval() -> None:
    truth, scores = table(1)
    result = measure_accuracy(NAMES, truth, scores)
    assert result.intervals["top1"] == pytest.approx(wilson(result.top1, 200), abs=1e-9)
    for item in result.classes:
        if item.recall is not None:
            assert item.intervals["recall"] == pytest.approx(wilson(item.recall, item.support), abs=1e-9)
        if item.precision is not None:
            assert item.intervals["precision"] == pytest.approx(wilson(item.precision, item.predicted), abs=1e-9)
    assert (result.lesions, result.classes[0].lesions) == (None, None)


def test_images_of_one_lesion_widen_the_intervals() -> None:
    truth, scores = probabilities(2, 150)
    truth, scores = truth * 2, np.tile(scores, (2, 1))
    lesions = [f"l{index % 150}" for index in range(300)]
    alone, together = measure_accuracy(NAMES, truth, scores), measure_accuracy(NAMES, truth, scores, lesions)
    assert together.lesions == 150
    assert sum(item.lesions or 0 for item in together.classes) == 150
    for name, (low, high) in alone.intervals.items():
        wide = together.intervals[name]
        assert (wide[1] - wide[0]) / (high - low) == pytest.approx(2**0.5, rel=0.12), name


@pytest.mark.parametrize("right", [0, 17])
def test_a_class_of_17_that_is_all_right_or_all_wrong(right: int) -> None:
    truth = ["df"] * 17 + ["nv"] * 100
    scores = np.eye(2)[[0] * right + [1] * (17 - right) + [1] * 100]
    item, _ = (result := measure_accuracy(("df", "nv"), truth, scores)).classes
    low, high = item.intervals["recall"]
    assert (low, high) == pytest.approx(wilson(right / 17, 17), abs=1e-9)
    assert 0.15 < high - low < 0.3
    low, high = result.intervals["balanced_accuracy"]
    assert high - low > 0.05
    assert item.unavailable == ({} if right else {"precision": "no image was answered as this class"})


def test_no_spread_is_no_interval_and_says_so() -> None:
    result = measure_accuracy(("a", "b", "c"), ["a", "b", "c"] * 5, np.tile(np.eye(3), (5, 1)))
    assert "macro_f1" not in result.intervals
    assert "every resample gives the same figure" in result.unavailable["interval:macro_f1"]
    assert result.intervals["balanced_accuracy"][0] < 1


def test_an_absent_class_says_why_it_has_no_figures() -> None:
    result = measure_accuracy(("a", "b", "c"), ["a", "b"], np.array([[1.0, 0, 0], [0, 1, 0]]))
    reasons = result.classes[2].unavailable
    assert reasons["recall"] == reasons["f1"] == reasons["roc_auc"] == "no image of this class"
    only = measure_accuracy(("a", "b"), ["a", "a"], np.array([[1.0, 0], [0, 1]]))
    assert only.classes[0].unavailable == {"roc_auc": "all images are of this class"}


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_labels_changes_no_interval(seed: int) -> None:
    truth, scores = probabilities(seed)
    order = np.random.default_rng(seed).permutation(len(NAMES))
    one = measure_accuracy(NAMES, truth, scores)
    other = measure_accuracy([NAMES[index] for index in order], truth, scores[:, order])
    assert {item.label: item for item in one.classes} == {item.label: item for item in other.classes}
    for name, interval in one.intervals.items():
        assert other.intervals[name] == pytest.approx(interval, abs=1e-9), name


def test_resampled_intervals_follow_the_seed() -> None:
    truth, scores = probabilities(0)
    first, same, other = (measure_accuracy(NAMES, truth, scores, resamples=200, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert first.resamples == 200
    assert first.intervals["macro_f1"] != other.intervals["macro_f1"]
    assert first.intervals["top1"] == other.intervals["top1"]


def test_the_bootstrap_spread_is_that_of_independent_lesions() -> None:
    """Weighted precision of two classes that are never mixed up within themselves has a closed form."""
    rng = np.random.default_rng(0)
    truth = ["a"] * 400 + ["b"] * 400
    right = rng.random(800) < 0.8
    scores = np.eye(2)[np.where(right, [0] * 400 + [1] * 400, [1] * 400 + [0] * 400)]
    low, high = measure_accuracy(("a", "b"), truth, scores, resamples=4000).intervals["brier"]
    spread = 2 * np.sqrt(sum(part.mean() * (1 - part.mean()) / 400 for part in np.split(right, 2)) / 4)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.06)
