"""A profile as table, CSV, JSON and overlay."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from edgebench.operators import Match, OperatorKey, OperatorTime, Resolution, TypeTime
from edgebench.profile_data import FailedProfile, OpenedProfile, Profile
from edgebench.records import Failure, ModelFile, RuntimeInfo
from edgebench.report.profile import (
    render_model_explorer,
    render_profile,
    render_profiles_csv,
    render_profiles_json,
)

FILE = ModelFile("m.tflite", "0" * 64, 1000, "int8")


def _operators() -> tuple[OperatorTime, ...]:
    loop = OperatorKey(0, False, -1, 0, "WHILE", container=True)
    inner = OperatorKey(1, False, -1, 0, "ADD")
    conv = OperatorKey(0, True, 0, 0, "Convolution (NHWC, F32) IGEMM")
    shape = OperatorKey(0, True, 0, 1, "Static Reshape (NC)")
    names = {"node_operator": "CONV_2D", "output_names": ("net/block_1/conv",)}
    return (
        OperatorTime(loop, 500.0, 1.0, 0.0, match=Match.INDEX, node=0, node_operator="WHILE", output_names=("w",)),
        OperatorTime(
            inner, 25.0, 3.0, 0.0, 0.25, 0.01, 0.24, 0.26, Match.INDEX, 0, "ADD", output_names=("net/block_2/add",)
        ),
        OperatorTime(conv, 75.0, 1.0, 1.0, 0.75, 0.01, 0.73, 0.77, Match.ORDER, 1, **names),  # type: ignore[arg-type]
        OperatorTime(shape, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.01),
    )


def _profile(**changes: Any) -> Profile:
    profile = Profile(
        model="net",
        variant="int8",
        file=FILE,
        delegate="default",
        threads=1,
        signature=None,
        runtime=RuntimeInfo("litert", "ai-edge-litert", "2.3.0", "3.11", "2.0", "aarch64"),
        opened=OpenedProfile(True, False, False),
        operators=_operators(),
        types=(TypeTime("Convolution (NHWC, F32) IGEMM", True, 1, 75.0, 0.75, 0.73, 0.77),),
        resolution=Resolution(200, 3, 2, 1.0, 2.0),
        invoke_us=125.0,
        operators_us=100.0,
        plain_us=110.0,
        subgraph_names=("main", "body"),
        notes=("WHILE: runs other subgraphs.",),
    )
    return replace(profile, **changes)


def test_the_table_says_that_times_are_no_latencies() -> None:
    text = render_profile(_profile(), 10)
    assert text.startswith("Profile of net/int8: shares of time, not latencies\n")
    elsewhere = render_profile(_profile(device="phone"), 10)
    assert elsewhere.startswith("Profile of net/int8 on phone: shares of time, not latencies\n")
    assert (
        "A profiled run takes 125 us in the graph, 80% of it in operators; a run without the profiler 110 us." in text
    )
    assert "WHILE: runs other subgraphs." in text


def test_the_table_ranks_operators_and_leaves_containers_out() -> None:
    lines = render_profile(_profile(), 10).splitlines()
    rows = [line.split() for line in lines[lines.index("Operators") + 3 :]]
    assert [row[0] for row in rows[:3]] == ["2", "1", "3"]
    conv, add = rows[0], rows[1]
    assert conv[-3:] == ["~1", "CONV_2D", "block_1/conv"]
    assert add[-3:] == ["1:0", "ADD", "block_2/add"]
    assert conv[-8:-3] == ["75.0", "73.0", "–", "77.0", "75.0"]
    assert rows[2][-2:] == ["–", "–"]


def test_top_cuts_and_says_so() -> None:
    assert "Operators with most time (1 of 3)" in render_profile(_profile(), 1)


def test_the_resolution_is_told() -> None:
    text = render_profile(_profile(), 10)
    assert "The quicker half of 200 runs counts. The shares of 2 of 3 operators, 100% of the time" in text
    assert "all of them up to 2.00 us" in text


def test_a_profile_made_of_rounding_shows_no_shares() -> None:
    text = render_profile(_profile(resolution=Resolution(200, 3, 0, 0.0, 100.0)), 10)
    assert "Too quick to tell shares: XNNPACK told 100 us" in text
    assert "73.0" not in text
    assert "77.0" not in text
    assert "known to within" not in text


def test_sentences_are_wrapped() -> None:
    text = render_profile(_profile(), 10, width=60)
    prose = [line for line in text.splitlines() if "XNNPACK cuts" in line or "profiled run" in line]
    assert max(map(len, prose)) <= 60


def test_names_cannot_forge_output() -> None:
    text = render_profile(_profile(model="a\n\x1b[31mb", notes=("x\x1b[0m",)), 10)
    assert "\x1b" not in text
    assert text.splitlines()[0].startswith("Profile of a [31mb/int8")


def test_csv_has_every_operator_in_running_order() -> None:
    rows = list(csv.DictReader(io.StringIO(render_profiles_csv([_profile(), _profile(variant="float32")]))))
    assert [row["variant"] for row in rows] == ["int8"] * 4 + ["float32"] * 4
    loop, add, conv, shape = rows[:4]
    assert (loop["share"], loop["share_low"], loop["time_us"]) == ("", "", "500.000")
    assert (add["subgraph"], add["calls"], add["partition"]) == ("1", "3", "")
    assert (conv["runs_on"], conv["node_match"], conv["node"]) == ("XNNPACK", "order", "1")
    assert (shape["node_match"], shape["node"], shape["outputs"]) == ("none", "", "")


def test_json_says_what_the_times_are_and_holds_failures() -> None:
    failed = FailedProfile("net", "odd", FILE, Failure("dtype", "cannot"))
    record = json.loads(render_profiles_json([_profile()], [failed]))
    assert record["times_are"] == "shares of a profiled run, not latencies"
    assert record["profiles"][0]["operators"][1]["match"] == "index"
    assert record["failed"][0]["failure"]["code"] == "dtype"


def test_the_overlay_has_a_share_for_each_matched_node_of_each_graph() -> None:
    overlay = json.loads(render_model_explorer(_profile()))
    assert set(overlay) == {"main", "body"}
    assert overlay["main"]["results"] == {"net/block_1/conv": {"value": 75.0}}
    assert overlay["body"]["results"] == {"net/block_2/add": {"value": 25.0}}
    assert [stop["stop"] for stop in overlay["main"]["gradient"]] == [0, 0.3, 1]


def test_operators_of_one_node_are_summed_and_unnamed_graphs_named() -> None:
    operators = _operators()
    twice = (operators[2], replace(operators[2], key=replace(operators[2].key, index=5)), operators[1])
    overlay = json.loads(render_model_explorer(_profile(operators=twice, subgraph_names=("", ""))))
    assert overlay["main"]["results"]["net/block_1/conv"]["value"] == 150.0
    assert "subgraph_1" in overlay


@pytest.mark.parametrize("names", [("a",), ("a/b/c", "a/b/d"), ("x", "y")])
def test_outputs_keep_what_tells_them_apart(names: tuple[str, ...]) -> None:
    operators = tuple(
        replace(_operators()[2], key=replace(_operators()[2].key, index=place), output_names=(name,))
        for place, name in enumerate(names)
    )
    text = render_profile(_profile(operators=operators), 10)
    for name in names:
        assert name.rsplit("/", 1)[-1] in text
    assert "a/b" not in text
