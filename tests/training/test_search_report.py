"""What a search says: honest about what was chosen where, what was not tried, and what may be chance."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from edgebench_training.convert import Variant
from edgebench_training.search.candidates import Candidate, Family, candidates
from edgebench_training.search.choose import parse_metric, picks
from edgebench_training.search.judging import Figures, Look
from edgebench_training.search.report import SearchReport, points_of, render_search, search_json, verdicts
from edgebench_training.search.results import Result, from_json, to_json
from search_fakes import LABELS, accuracy, result

METRIC = parse_metric("balanced_accuracy", LABELS)
RESULTS = (
    result("float32", 80, None, 4_000_000),
    result("int8", 70, 0.5, 1_000_000),
    result("int8-float1", 79, 0.55, 1_100_000),
    result("aeq-int8", 75, 0.6, 1_200_000),
    Result("int8-cal100", "the same model as int8", "int8"),
)


def figures(name: str, right: int, ratio: float, size_bytes: int, **changes: Any) -> Figures:
    known = Figures(
        name,
        None,
        accuracy(right, right),
        size_bytes,
        1e6 * ratio,
        ratio,
        ratio * 0.98,
        ratio * 1.02,
        -0.01,
        -0.03,
        0.01,
    )
    return replace(known, **changes)


LOOK = Look(
    (
        figures("float32", 78, 1.0, 4_000_000, difference=None),
        figures("int8", 70, 0.5, 1_000_000),
        figures("int8-float1", 76, 0.55, 1_100_000),
    ),
    "test split of the card: 200 images",
    200,
)


def report(**changes: Any) -> SearchReport:
    listed = candidates((Variant.INT8,), 2, 60)
    shown = {one.name for one in RESULTS} | {"int8-float2"}
    made = SearchReport(
        model="m",
        metric=METRIC,
        candidates=tuple(one for one in listed if one.name in shown),
        results=RESULTS,
        untried=("int8-float2",),
        picks=picks(points_of(RESULTS, METRIC), METRIC),
        chosen=("int8-float1",),
        look=LOOK,
        validation_note="200 images",
        tools={"edgebench": "0"},
    )
    return replace(made, **changes)


def test_the_table_has_what_a_choice_needs() -> None:
    told = render_search(report())
    (line,) = [line for line in told.splitlines() if line.startswith("int8-float1 ") and "layer" in line]
    assert line.split() == [
        *("int8-float1", "1", "float", "layer,", "by", "trying", "each"),
        *("1.10", "0.550", "(0.539-0.561)", "0.790", "a", "-0.010", "(n=100)", "yes"),
    ]
    assert "No figures: int8-cal100: the same model as int8" in told
    assert "Not tried, the budget was spent: int8-float2. The same command goes on with them." in told
    assert "200 images tell float32's balanced accuracy to about ±5.5 points" in told
    assert "point below float32's: int8-float1" in told


def test_the_choice_is_told_before_the_test_images() -> None:
    told = render_search(report())
    assert told.index("Chosen on validation") < told.index("Test images, looked at after the choice")
    assert "-0.010 (-0.030 to +0.010)" in told
    assert "the best of 4 is in part the luckiest" in told
    assert "number" not in told
    again = render_search(report(look=replace(LOOK, number=2)))
    assert "This was look number 2 at these test images" in again
    assert "look" not in render_search(report(look=None)).partition("Chosen")[2].partition("\n")[2]


def test_a_searched_variant_beats_a_standard_one_only_where_it_is_nowhere_worse() -> None:
    assert verdicts(report(), LOOK) == ["No chosen variant beats int8 on the test images: each is worse in something."]
    for low, high, said in ((0.01, 0.11, "(+1.0 to +11.0)"), (-0.02, 0.14, "(-2.0 to +14.0, which may be chance)")):
        better = figures("int8-float1", 76, 0.505, 1_000_400, against={"int8": (0.06, low, high)})
        assert verdicts(report(), replace(LOOK, figures=(*LOOK.figures[:2], better))) == [
            "int8-float1 is nowhere worse than int8 on the test images and better in something: balanced accuracy "
            f"+6.0 points {said}, 0.505 against 0.500 of float32's latency, 1.00 against 1.00 MB."
        ]
    assert verdicts(report(chosen=()), LOOK) == []


def test_generated_images_are_said_to_be() -> None:
    assert "generated images" in render_search(report(generated=True))
    assert "generated images" not in render_search(report())


def test_the_file_has_every_candidate_and_is_plain_json() -> None:
    data = json.loads(search_json(report()))
    assert [one["name"] for one in data["candidates"]] == [one.name for one in report().candidates]
    by_name = {one["name"]: one for one in data["candidates"]}
    assert by_name["int8-float2"]["tried"] is False
    assert by_name["int8-cal100"]["problem"] == "the same model as int8"
    assert by_name["int8-float1"]["chosen"] is True
    assert by_name["int8-float1"]["measured"]["comparison"]["ratio"] == 0.55
    assert data["test"]["figures"][2]["name"] == "int8-float1"
    assert data["metric"] == "balanced_accuracy"


def test_results_survive_the_journal() -> None:
    for one in RESULTS:
        assert from_json(json.loads(json.dumps(to_json(one))), Result) == one
    look = replace(LOOK, figures=(figures("a", 1, 1.0, 1, against={"int8": (0.1, 0.0, 0.2)}),))
    for seen in (LOOK, look):
        assert from_json(json.loads(json.dumps(to_json(seen))), Look) == seen
    assert from_json({"name": 3, "unknown": {}}, Look) is None
    assert from_json(None, Look) is None


def test_a_standard_variant_that_is_missing_is_noticed() -> None:
    broken = replace(RESULTS[1], measured=None, problem="does not run: no")
    assert report(results=(RESULTS[0], broken)).standard_missing()
    assert not report().standard_missing()
    assert Candidate("int8", Family.STANDARD).standard
