from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects as go
import pytest
from edgebench.records import CaseResult
from edgebench.report.html import render_html
from large_run import large_run
from plotly.offline import get_plotlyjs
from samples import HOSTILE, accuracy_from, confusion_from, empty_samples, make_case, make_record, samples_of

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Reader(HTMLParser):
    """Checks nesting and collects elements, attributes and the text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def text_of(page: str) -> str:
    return " ".join(" ".join(read(page).text).split())


def packed(page: str) -> str:
    """Return plotly.js as it lies compressed in the page."""
    match = re.search(r'<script type="text/plain" id="plotly">(.*?)</script>', page, re.DOTALL)
    assert match
    return gzip.decompress(base64.b64decode(match.group(1))).decode()


def figures(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert match
    loaded: dict[str, Any] = json.loads(match.group(1))
    return loaded


@pytest.fixture(params=["page", "answers_page", "hostile_page", "big_page", "plain_page", "failed_page"])
def any_page(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


def test_parses_and_loads_nothing(any_page: str) -> None:
    reader = read(any_page)
    for tag, attributes in reader.found:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "img")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://", any_page)


def test_figures_are_valid_plotly_and_have_a_place(any_page: str) -> None:
    places = {value for _, attributes in read(any_page).found if (value := attributes.get("data-figure"))}
    if not places:
        assert "<script" not in any_page
        return
    found = figures(any_page)
    assert set(found) == places
    for figure in found.values():
        go.Figure(data=figure["data"], layout=figure["layout"])


def test_only_the_pages_own_scripts_may_run(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    allowed = re.findall(r"sha256-([^&]*)&#39;", policy.group(1))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    # The third is plotly.js, which the second starts after the first paint.
    texts = [*scripts, get_plotlyjs()]
    assert allowed == [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    assert packed(page) == get_plotlyjs()
    assert "default-src &#39;none&#39;" in policy.group(1)


def test_names_are_text_everywhere(hostile_page: str) -> None:
    reader = read(hostile_page)
    assert not [tag for tag, _ in reader.found if tag in ("img", "svg", "b")]
    assert len(reader.scripts) == 4
    text = " ".join(reader.text)
    assert HOSTILE in text
    assert "</script><script>alert(2)</script>" in text
    assert "{{ 7*7 }}" in text
    assert "\x1b" not in hostile_page
    assert hostile_page.count("<script") == hostile_page.count("</script>") == 4
    assert "<img" not in hostile_page


def test_figure_labels_are_escaped_for_plotly_too(hostile_page: str) -> None:
    for figure in figures(hostile_page).values():
        assert "<img" not in json.dumps(figure)
    # The front's own line break and emphasis are all the markup there is.
    hovers = figures(hostile_page)["tradeoff"]["data"][0]["hovertext"][0]
    assert set(re.findall(r"<[^>]*>", hovers)) == {"<b>", "</b>", "<br>"}


def test_content(page: str) -> None:
    text = text_of(page)
    assert "Which variant of ham10000_mobilenet_v2 should run on this machine?" in text
    assert "Not a medical device." in text
    assert "Lowest p50 latency: int8 (3.58 ms)" in text
    assert "int16x8: FAILED runtime-refused" in text
    assert "DEPTHWISE_CONV_2D ×15" in text
    assert "int8 [1, 224, 224, 3], scale 0.00784314, zero point -1" in text
    assert "x / 127.5 - 1 (from: card)" in text
    assert "ISIC_0024410" in text
    assert "VmHWM" in text
    assert f"{2_661_912:064x}" in text
    assert "−0.120" in text


def test_first_screen_comes_before_plots_and_scripts(page: str) -> None:
    parts = ("<h1>", 'id="shipping"', "Not a medical", 'id="tradeoff"', 'id="table"', 'id="classes"', 'id="memory"',
             'id="latency"', 'id="changed"', 'id="environment"', 'id="doubts"', "<script")  # fmt: skip
    order = [page.index(text) for text in parts]
    assert order == sorted(order)


def test_absent_values_are_dashes_in_the_table() -> None:
    record = make_record([make_case("float32", 7.0), make_case("int8", 3.0, count=5)])
    text = text_of(render_html(record, empty_samples(), None))
    assert "n too small: 5 samples, 11 needed (int8)" in text
    assert "This run holds no latency samples" in text


def test_tradeoff_holds_the_records_numbers_and_the_front(page: str) -> None:
    traces = {trace["name"]: trace for trace in figures(page)["tradeoff"]["data"]}
    assert traces["int8"]["x"] == [3.58]
    assert traces["int8"]["y"] == [0.6436]
    assert traces["front"]["x"] == [3.58, 7.43]
    assert "(on the front)" in traces["int8"]["hovertext"][0]
    assert "(on the front)" not in traces["float16"]["hovertext"][0]


def test_bars_add_up_to_the_peak(page: str) -> None:
    base, rest = figures(page)["memory"]["data"]
    assert [round(a + b, 1) for a, b in zip(base["x"], rest["x"], strict=True)] == [78.1, 73.7, 71.8, 72.0]


def test_changed_answers_are_counted_against_float32(page: str) -> None:
    text = text_of(page)
    assert "float16 float32 1,502 0 0 0 0" in text
    assert re.search(r"int8 float32 1,502 131 36 20 75", text)


def test_the_part_on_classes_is_whole(answers_page: str) -> None:
    text = text_of(answers_page)
    assert "int8 loses mel: recall 0.629 to 0.509" in text
    assert "worse −12.0 −17.5 to −6.5 0 gained, 20 lost p < 0.001" in text
    assert "≈ −6.1 −15.1 to +2.8 0 gained, 3 lost p 0.58, could show 12.8" in text
    assert "Same answers as float32" in text
    assert "0.944 (0.93–0.96)" in text
    assert "ECE (calibration) 0.041 (0.03–0.05)" in text
    assert "Not tested for significance" not in text
    assert "true class mel (4 of 45 changed)" in text
    assert "Without pictures: the images were not at hand when this page was written." in text
    assert "cost-0" in figures(answers_page)


def test_without_accuracy(plain_page: str) -> None:
    text = text_of(plain_page)
    assert "so accuracy was not measured" in text
    assert "medical" not in text
    assert "Confusion" not in text
    assert set(figures(plain_page)) == {"size", "memory"}


def test_failures_only_need_no_plots(failed_page: str) -> None:
    assert "No case has figures to show." in text_of(failed_page)
    assert len(failed_page) < 100_000
    assert "script-src &#39;none&#39;" in failed_page


def test_fifty_cases_stay_small_and_text_comes_first(big_page: str) -> None:
    assert len(big_page.encode()) < 6_000_000
    assert big_page.index("<script") < 400_000
    assert packed(big_page) == get_plotlyjs()


def test_a_run_with_everything_and_a_million_samples_stays_small() -> None:
    run = large_run()
    assert len(run.samples) == 1_000_000
    page = render_html(run.record, run.samples, run.predictions)
    assert len(page.encode()) < 6_000_000
    # What is read before the first paint; a third of a page is plotly.js, which lies behind it.
    assert page.index("<script") < 1_000_000
    read(page)


def test_spread_excludes_warmup_and_is_bounded(big_page: str) -> None:
    boxes = figures(big_page)["spread"]["data"]
    assert len(boxes) == 50
    assert max(len(box["x"][0]) for box in boxes) <= 120


def test_spread_ignores_warmup_samples() -> None:
    record = make_record([make_case("float32", 5.0)])
    samples = samples_of(record)
    samples.loc[samples["warmup"], "latency_ns"] = 10**12
    box = figures(render_html(record, samples, None))["spread"]["data"][0]
    assert max(box["x"][0]) < 1000


def test_many_classes_stay_small() -> None:
    labels = [f"class_{i:04d}" for i in range(400)]
    accuracy = accuracy_from(confusion_from([0.9] * 399 + [0.1], [10] * 399 + [900]), labels)
    page = render_html(make_record([replace(make_case("float32", 1.0), accuracy=accuracy)]), empty_samples(), None)
    assert len(page.encode()) < 5_200_000
    assert "class_0399 answered as" in text_of(page)


def test_cases_whose_names_are_cut_alike_keep_a_bar_each() -> None:
    long = "a_model_with_a_very_long_name_indeed_" + "{}" + "_and_a_very_long_end_as_well"
    record = make_record([make_case("int8", 1.0, model=long.format(i)) for i in "xy"], data=None)
    found = figures(render_html(record, samples_of(record), None))
    assert found["memory"]["data"][0]["y"] == [0, 1]
    assert [box["y"] for box in found["spread"]["data"]] == [[0], [1]]


@pytest.mark.parametrize("cases", [[], [make_case("float32", 7.0)]])
def test_no_case_and_one_case(cases: list[CaseResult]) -> None:
    record = make_record(cases)
    assert "Which variant" in text_of(render_html(record, samples_of(record), None))
