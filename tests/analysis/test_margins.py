"""Passes, fails, undecided: against real paired differences, and against bounds set by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from edgebench.analysis.margins import Keeps, answers_to, together
from edgebench.analysis.paired import paired_differences
from edgebench.records import AccuracyComparison, AccuracyVerdict, PairedDifference
from edgebench.rule import DEFAULT_RULE, Criterion, Measure, Rule

MEL = Rule((Criterion(Measure.RECALL, 0.02, "mel"),))


def differing(
    difference: float, low: float, high: float, *, name: str = "mel", images: int = 400, lost: int = 9
) -> PairedDifference:
    """Return a difference whose one-sided bounds are ``low`` and ``high``; the two-sided ones are farther off."""
    return PairedDifference(
        name, images, None, 1, lost, difference, low - 0.005, high + 0.005, 0.2, 0.4, AccuracyVerdict.NONE_SHOWN, 0.05,
        one_sided_low=low, one_sided_high=high,
    )  # fmt: skip


def of(*classes: PairedDifference, balanced: PairedDifference | None = None) -> AccuracyComparison:
    return AccuracyComparison("m/float32", 800, classes=classes, balanced_accuracy=balanced, top1=balanced)


@pytest.mark.parametrize(
    ("difference", "low", "high", "keeps", "reason"),
    [
        (-0.004, -0.011, 0.003, Keeps.PASSES, "recall of mel −0.4 points, at worst −1.1 (2 points lower is allowed)"),
        (-0.060, -0.080, -0.031, Keeps.FAILS, "recall of mel −6.0 points, at best −3.1 (2 points lower is allowed)"),
        (-0.010, -0.034, 0.014, Keeps.UNDECIDED, "recall of mel −1.0 points, anything from −3.4 to +1.4 (2 points"),
        (-0.010, -0.02, 0.014, Keeps.UNDECIDED, "from −2.00 to +1.4"),
        (0.0, -0.0196, 0.0, Keeps.PASSES, "±0 points, at worst −1.96"),
        (0.030, 0.010, 0.050, Keeps.PASSES, "+3.0 points, at worst +1.0"),
    ],
)
def test_the_one_sided_bounds_decide(difference: float, low: float, high: float, keeps: Keeps, reason: str) -> None:
    (answer,) = answers_to(MEL, of(differing(difference, low, high)))
    assert answer.keeps is keeps
    assert reason in answer.reason
    assert (answer.needs is not None) == (keeps is Keeps.UNDECIDED)


def test_without_them_the_two_sided_ones_do_which_passes_less() -> None:
    new = differing(-0.004, -0.018, 0.01)
    old = replace(new, one_sided_low=None, one_sided_high=None)
    assert answers_to(MEL, of(new))[0].keeps is Keeps.PASSES
    assert answers_to(MEL, of(old))[0].keeps is Keeps.UNDECIDED


def test_images_that_would_decide_go_with_the_square_of_the_width() -> None:
    # Half the width is 0.04, the distance to the margin 0.01: 16 times the images, 15 times more.
    (answer,) = answers_to(MEL, of(differing(-0.01, -0.05, 0.03)))
    assert answer.needs == (
        "about 6,000 more images of mel (400 now) would show it to pass, if the difference stays as it is (an estimate)"
    )
    # 0.03 above, 0.02 below the margin: (3 / 2) squared.
    (answer,) = answers_to(MEL, of(differing(-0.04, -0.07, -0.01)))
    assert answer.needs is not None
    assert answer.needs.startswith("about 500 more images of mel (400 now) would show it to fail")


def test_a_difference_at_the_margin_promises_no_number() -> None:
    for difference in (-0.02, -0.0201):
        (answer,) = answers_to(MEL, of(differing(difference, -0.05, 0.01)))
        assert answer.needs == "recall of mel is too near the margin to be decided with 100 times the images"


def test_balanced_accuracy_needs_more_of_every_class() -> None:
    rule = Rule((Criterion(Measure.BALANCED, 0.02),))
    (answer,) = answers_to(rule, of(balanced=differing(0.0, -0.04, 0.04, name="balanced accuracy", images=1500)))
    assert answer.needs is not None
    assert answer.needs.startswith("about 4.0 times the images of every class (1,500 now) would show it to pass")


def test_a_class_shown_worse_fails_and_the_blindest_class_is_named() -> None:
    rule = Rule((), no_class_worse=True)
    small = replace(differing(0.0, -0.1, 0.1, name="df", images=17), detectable=0.5)
    (answer,) = answers_to(rule, of(differing(-0.01, -0.03, 0.01), small))
    assert answer.keeps is Keeps.PASSES
    assert (
        answer.reason == "no class shown worse (but of df, 17 images, only a loss of about 50 points would have been)"
    )
    (answer,) = answers_to(rule, of(replace(small, images=1, detectable=None)))
    assert answer.reason.endswith("(but of df, 1 image, no loss could have been shown)")
    worse = replace(differing(-0.05, -0.08, -0.02), verdict=AccuracyVerdict.WORSE)
    (answer,) = answers_to(rule, of(worse, small))
    assert (answer.keeps, answer.reason) == (Keeps.FAILS, "shown worse: mel −5.0 points (9 lost, 1 gained of 400)")


def test_what_is_not_known_is_undecided_with_its_reason() -> None:
    none = AccuracyComparison("m/float32", unavailable={"balanced_accuracy": "no labels", "classes": "no labels"})
    assert [(answer.keeps, answer.reason) for answer in answers_to(DEFAULT_RULE, none)] == [
        (Keeps.UNDECIDED, "balanced accuracy: no labels"),
        (Keeps.UNDECIDED, "no class worse: no labels"),
    ]
    absent = PairedDifference("mel", 0, None, 0, 0, unavailable={"difference": "no image of this class"})
    assert answers_to(MEL, of(absent))[0].reason == "recall of mel: no image of this class"
    assert answers_to(MEL, of(differing(0, 0, 0, name="nv")))[0].reason == "recall of mel: the model has no such class"


def test_all_parts_must_pass() -> None:
    passes = answers_to(MEL, of(differing(0.0, -0.01, 0.01)))[0]
    fails = answers_to(MEL, of(differing(-0.1, -0.12, -0.08)))[0]
    undecided = answers_to(MEL, of(differing(0.0, -0.03, 0.03)))[0]
    assert together([passes, passes]) is Keeps.PASSES
    assert together([passes, undecided]) is Keeps.UNDECIDED
    assert together([undecided, fails, passes]) is Keeps.FAILS


def judged(images: int, lost: int, gained: int) -> AccuracyComparison:
    before = np.array([True] * lost + [False] * gained + [True] * (images - lost - gained))
    after = np.array([False] * lost + [True] * gained + [True] * (images - lost - gained))
    found = paired_differences(["mel"], ["mel"] * images, after, before)
    return AccuracyComparison("m/float32", images, classes=found.classes, balanced_accuracy=found.balanced_accuracy)


@pytest.mark.parametrize(
    ("images", "lost", "gained", "keeps"),
    [
        (2000, 5, 4, Keeps.PASSES),
        (17, 0, 0, Keeps.UNDECIDED),  # nothing changed, and still 17 images cannot show it
        (2000, 140, 20, Keeps.FAILS),
        (170, 5, 3, Keeps.UNDECIDED),
    ],
)
def test_with_images(images: int, lost: int, gained: int, keeps: Keeps) -> None:
    assert answers_to(MEL, judged(images, lost, gained))[0].keeps is keeps


def test_as_many_images_as_it_names_do_decide() -> None:
    found = answers_to(MEL, judged(300, 5, 3))[0]
    assert found.keeps is Keeps.UNDECIDED
    assert found.needs is not None
    more = int(found.needs.split()[1].replace(",", ""))
    times = math.ceil((300 + more) / 300 * 1.1)  # it names the point where half of such runs would decide
    assert 1 < times < 4
    assert answers_to(MEL, judged(300 * times, 5 * times, 3 * times))[0].keeps is Keeps.PASSES
