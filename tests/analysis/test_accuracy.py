from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.accuracy import measure_accuracy
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
    assert measure_accuracy(NAMES, *table(1)).unavailable == {}


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
