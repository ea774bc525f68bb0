from __future__ import annotations

import re

import pytest
from edgebench.errors import UsageError
from edgebench.rule import DEFAULT_RULE, Criterion, Measure, Rule, parse_rule


def test_a_rule_in_one_text_or_several() -> None:
    wanted = Rule(
        (Criterion(Measure.BALANCED, 0.01), Criterion(Measure.RECALL, 0.025, "mel"), Criterion(Measure.TOP1, 0.005)),
        no_class_worse=True,
    )
    assert parse_rule(["balanced=-1pt, recall:mel=-2.5pt,top1=-0.5 pt,no-class-worse"]) == wanted
    assert parse_rule(["balanced=-1pt", "recall:mel=-2.5pt,no-class-worse", "top1=-0.5pt"]) == wanted


def test_no_text_is_no_rule_and_a_class_is_no_part_unless_named() -> None:
    assert parse_rule([]) is None
    assert parse_rule(["no-class-worse"]) == Rule((), no_class_worse=True)
    assert parse_rule(["balanced=-2pt"]) == Rule((Criterion(Measure.BALANCED, 0.02),))


@pytest.mark.parametrize("label", ["a, b", "a=b", "x:y", "mel naevus", "balanced"])
def test_labels_may_hold_the_signs_of_the_syntax(label: str) -> None:
    assert parse_rule([f"recall:{label}=-1pt,top1=-1pt"]) == Rule(
        (Criterion(Measure.RECALL, 0.01, label), Criterion(Measure.TOP1, 0.01))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--recommend : write balanced=-1pt, top1=-1pt, recall:LABEL=-2pt or no-class-worse"),
        ("mel=-1pt", "--recommend mel=-1pt: write balanced=-1pt"),
        ("recall:=-1pt", "write balanced=-1pt"),
        ("balanced:mel=-1pt", "write balanced=-1pt"),
        ("balanced", "write balanced=-1pt"),
        (
            "balanced=1pt",
            "--recommend balanced=1pt: write by how many points it may be lower, for instance balanced=-1pt",
        ),
        ("balanced=-1%", "write by how many points"),
        ("recall:mel=-1", "--recommend recall:mel=-1: write by how many points"),
        ("balanced=-0pt", "the margin must be above 0 and below 100 points"),
        ("balanced=-100pt", "the margin must be above 0"),
        ("balanced=-1pt,balanced=-2pt", "balanced accuracy has two margins; leave one out"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        parse_rule([text])
    assert "\n" not in str(caught.value)


def test_the_rule_in_words() -> None:
    found = parse_rule(["balanced=-1pt,recall:mel=-2.5pt"])
    assert found is not None
    assert found.words == (
        "the smallest latency among variants not worse than the float model by more than 1 point of balanced accuracy "
        "and 2.5 points of recall of mel (one-sided 95 %)"
    )
    assert DEFAULT_RULE.words.endswith("2 points of balanced accuracy (one-sided 95 %), with no class shown worse")
    assert Rule((), no_class_worse=True).words == "the smallest latency among variants with no class shown worse"
