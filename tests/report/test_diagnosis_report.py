"""A diagnosis as table, CSV, JSON, page and overlay."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from edgebench.layer_data import (
    INPUT,
    Answers,
    Channel,
    ClassAnswers,
    Contrast,
    Diagnosis,
    FailedDiagnosis,
    Layer,
    LayerFormat,
    Match,
    Ratio,
    Unmatched,
    Weights,
)
from edgebench.records import Failure, ModelFile, RuntimeInfo
from edgebench.report.diagnosis import (
    cell,
    render_diagnoses_csv,
    render_diagnoses_json,
    render_diagnosis,
    render_diagnosis_explorer,
)
from edgebench.report.diagnosis_html import render_diagnosis_html
from edgebench.report.diagnosis_lines import background, conclusions, decibel, percent, time_range

FILE = ModelFile("m.tflite", "0" * 64, 1000, "int8")


def layer(number: int, **changes: Any) -> Layer:
    base = Layer(
        number=number,
        node=number,
        reference_node=number,
        operator="CONV_2D",
        name=f"conv_{number}",
        output=f"net/conv_{number}/Conv2D",
        match=Match.NAME,
        format=LayerFormat("int8", 100, 0.1, -128),
        total=Ratio(25.0, 0.05, 0.5),
        alone=Ratio(40.0, 0.03, 0.3),
        cosine=0.998,
        range_used=0.9,
        clipped=0.0,
        clip_share=0.0,
        at_ends=0.4,
        dead=0,
        dead_in_both=1,
        channels=16,
        weights=Weights("int8", 16, 16, 45.0, (Channel(3, 42.0),), None),
        by_class=(25.0, 24.0),
        flipped_db=20.0,
        kept_db=26.0,
        time_share=0.2,
        time_low=0.19,
        time_high=0.21,
    )
    return replace(base, **changes)


def diagnosis(*layers: Layer, **changes: Any) -> Diagnosis:
    bad = layer(
        2,
        total=Ratio(12.0, 0.9, 9.0),
        alone=Ratio(14.0, 0.8, 8.0),
        clipped=0.031,
        clip_share=0.8,
        match=Match.ORDER,
        time_share=0.04,
        time_low=0.0,
        time_high=0.09,
    )
    answers = Answers(
        images=20,
        classes=(ClassAnswers("df", 10, 9, 7, 3), ClassAnswers("nv", 10, 10, 10, 0)),
        flipped=3,
        flipped_ids=("a", "b", "c"),
        flipped_margin=0.05,
        kept_margin=0.61,
        reference_kernel_difference=1e-7,
        variant_kernel_difference=0.004,
        kernel_flips=1,
        here_db=25.0,
        default_db=24.0,
        flip_contrast=None if layers else Contrast(2, "flipped", 3, -5.0, 0.01),
        class_contrast=None if layers else Contrast(1, "df", 10, -3.0, 0.2),
    )
    base = Diagnosis(
        model="net",
        variant="int8",
        reference="float32",
        file=FILE,
        reference_file=FILE,
        runtime=RuntimeInfo("litert", "ai-edge-litert", "2.3.0", "3.11", "2", "x86_64"),
        source="folder:photos",
        generated=False,
        labels=("df", "nv"),
        graph_name="",
        layers=layers or (layer(0), layer(1), bad),
        unmatched=(Unmatched("reference", 7, "PAD", "net/pad", "no sure counterpart in the other graph"),),
        answers=answers,
        delegated=True,
        preprocessing="32x32x3, stretch, normalised -1..1 (card), labels: card",
        notes=("limited to 20 images",),
    )
    return replace(base, **changes)


def test_what_it_says_carries_its_figures() -> None:
    assert conclusions(diagnosis()) == [
        "int8 answers 3 of 20 images otherwise than float32 (float32 has 19 right, int8 17): df 3 of 10.",
        "Where the answer flips, float32's best score leads its second by 0.050 (median), elsewhere by 0.610.",
        "By itself int8 loses most at conv_2 (node 2, CONV_2D): SQNR 14.0 dB alone, 12.0 dB with all that came in, "
        "3.1 % of its values clipped, which makes 80 % of its squared error, 0.0–9.0 % of the time.",
        "1 layer clips at least 0.05 % of the values that float32 has there, most of all that one.",
        "Weights: 3 of 3 layers in int8 with a scale for each channel. Worst held is channel 3 of conv_0 (node 0, "
        "CONV_2D): 42.0 dB, all its channels together 45.0 dB.",
        "On the images that flip, conv_2 (node 2, CONV_2D) is 5.0 dB below what it is on all other images (3 images, "
        "p=0.010).",
        "No class is shown to fare worse than the others at any layer (p=0.200).",
    ]


def test_without_flips_nothing_is_said_about_groups() -> None:
    calm = replace(diagnosis().answers, flipped=0, flipped_ids=(), flip_contrast=None)
    said = conclusions(diagnosis(answers=calm))
    assert said[0] == "int8 answers all 20 images as float32 does (19 right)."
    assert not any("class" in line for line in said)


def test_what_is_not_shown_is_not_claimed() -> None:
    weak = replace(diagnosis().answers, flip_contrast=Contrast(2, "flipped", 3, -1.0, 0.4), class_contrast=None)
    assert "No layer is shown to be worse on the images that flip (p=0.400)." in conclusions(diagnosis(answers=weak))
    few = replace(weak, flip_contrast=None)
    assert any(line.startswith("Too few answers flip") for line in conclusions(diagnosis(answers=few)))


def test_one_scale_for_all_channels_is_told_with_what_it_costs() -> None:
    held = Weights("int8", 1, 16, 20.0, (Channel(0, 5.0),), 12.5)
    said = conclusions(diagnosis(layer(0, weights=held), layer(1)))
    assert any(
        "1 of 2 layers in int8 with one scale, 1 of 2 layers in int8 with a scale for each" in line for line in said
    )
    assert any(
        "One scale for all channels costs the weights of 1 layer 3 dB and more" in line and "12.5 dB" in line
        for line in said
    )


def test_dead_channels_narrow_ranges_and_a_coarse_input_are_told() -> None:
    image = layer(0, operator=INPUT, name="input", node=-1, weights=None, total=Ratio(39.0, 0.1, 0.5))
    dead = layer(1, dead=2, alone=Ratio(20.0), range_used=0.29)
    said = " ".join(conclusions(diagnosis(image, dead)))
    assert "The input is off by 0.50 steps" in said
    assert "1 layer has channels that never change in int8 though they do in float32; most conv_1" in said
    assert "2 of 16" in said
    assert "only 29 % of its range used" in said


def test_layers_that_were_not_run_alone_are_ranked_by_their_whole_error() -> None:
    unknown = Ratio(None)
    layers = (layer(0, alone=unknown), layer(1, alone=unknown, total=Ratio(10.0)))
    shown = diagnosis(*layers, unavailable={"alone": "the runtime says no."})
    assert [item.number for item in shown.ranked()] == [1, 0]
    text = render_diagnosis(shown, 5)
    assert "Layers by error, greatest first" in text
    assert "int8 is furthest from float32 at conv_1" in text
    assert "Error of the layers alone unknown: the runtime says no." in text
    assert "alone\n" not in text.split("Layers by error")[1].split("------")[0]


def test_the_table() -> None:
    text = render_diagnosis(diagnosis(), 2)
    rows = text.split("Layers by their own error, greatest first (2 of 3)\n")[1].splitlines()
    assert " ".join(rows[3].split()) == "2 ~conv_2 CONV_2D 14.0 12.0 0.9980 9.00 90 3.10 80 40 45.0 0.0–9.0"
    assert "Not compared: float32: 7 PAD: no sure counterpart in the other graph." in text
    assert "scores differ by up to 1e-07 in float32 and 0.004 in int8, and 1 answer of int8 differs" in text
    assert "Limited to 20 images." in text


def test_sentences_are_wrapped_where_a_width_is_given() -> None:
    narrow = render_diagnosis(diagnosis(), 2, width=60).split("\n\n")[1]
    assert max(len(line) for line in narrow.splitlines()) <= 60


def test_reasons_of_weights_are_counted() -> None:
    said = background(diagnosis(unavailable={"weights:1": "of another form", "weights:2": "of another form"}))
    assert "Weights of 2 layers unknown: of another form." in said


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(render_diagnoses_csv([diagnosis()]))))
    assert [row["position"] for row in rows] == ["0", "1", "2"]
    assert (rows[2]["sqnr_db"], rows[2]["clipped"], rows[2]["match"]) == ("12", "0.031", "order")
    assert (rows[0]["class_db:df"], rows[0]["worst_class"], rows[0]["weights_worst_channel"]) == ("25", "nv", "3")
    equal = list(csv.DictReader(io.StringIO(render_diagnoses_csv([diagnosis(layer(0, total=Ratio(math.inf)))]))))
    assert equal[0]["sqnr_db"] == "inf"
    unknown = list(csv.DictReader(io.StringIO(render_diagnoses_csv([diagnosis(layer(0, total=Ratio(None)))]))))
    assert unknown[0]["sqnr_db"] == ""


def test_json_says_equal_and_null() -> None:
    text = render_diagnoses_json(
        [diagnosis(layer(0, total=Ratio(math.inf), alone=Ratio(None)))], [FailedDiagnosis("m", "v", Failure("x", "no"))]
    )
    record = json.loads(text)
    (found,) = record["diagnoses"][0]["layers"]
    assert (found["total"]["db"], found["alone"]["db"], found["match"]) == ("equal", None, "name")
    assert record["failed"][0]["failure"]["message"] == "no"
    assert "10 log10" in record["sqnr_is"]


def test_the_overlay_has_a_number_for_what_is_equal() -> None:
    overlay = json.loads(render_diagnosis_explorer(diagnosis(layer(0), layer(1, alone=Ratio(math.inf)))))
    values = {name: item["value"] for name, item in overlay["main"]["results"].items()}
    assert values == {"net/conv_0/Conv2D": 40.0, "net/conv_1/Conv2D": 120.0}


def test_the_page_lets_nothing_out_and_shows_what_there_is() -> None:
    page = render_diagnosis_html(diagnosis())
    assert "default-src &#39;none&#39;" in page
    body = page.split("<script")[0]
    assert not re.search(r"(?:src|href)=\"(?!#)", body)
    for text in ("SQNR along the graph", "Error against time", "conv_2", "Flipped: a, b, c", "n=10", "3: 42.0"):
        assert text in body
    assert "Generated images" not in body
    assert "Generated images" in render_diagnosis_html(diagnosis(generated=True))


def test_the_page_escapes_names() -> None:
    page = render_diagnosis_html(diagnosis(layer(0, name="<script>x</script>", output="<b>")))
    assert "<script>x" not in page


def test_a_page_without_times_flips_or_weights() -> None:
    calm = replace(diagnosis().answers, flipped=0, flipped_ids=(), flip_contrast=None)
    bare = layer(
        0, time_share=None, time_low=None, time_high=None, weights=None, total=Ratio(math.inf), alone=Ratio(None)
    )
    page = render_diagnosis_html(diagnosis(bare, answers=calm))
    assert "There is nothing to plot." in page
    assert "Flipped:" not in page
    assert 'id="weights"' not in page


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (math.inf, "equal"), (12.345, "12.3"), (-3.0, "−3.0")])
def test_decibel(value: float | None, text: str) -> None:
    assert decibel(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.031, "3.1 %"), (0.0, "0.0 %"), (0.00026, "0.026 %"), (1e-7, "below 0.001 %"), (1.0, "100.0 %")],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_a_share_of_the_time_is_a_range_where_it_is_not_known() -> None:
    assert time_range(layer(0)) == "20.0"
    assert time_range(layer(0, time_share=0.007, time_low=0.0, time_high=0.014)) == "0.0–1.4"


def test_small_percentages_are_not_shown_as_nothing() -> None:
    assert cell(layer(0, clipped=1e-6), "clipped") == "<0.01"
    assert cell(layer(0, clipped=0.0), "clipped") == "0.00"
    assert cell(layer(0, node=-1, operator=INPUT), "node") == "–"
