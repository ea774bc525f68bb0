from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pandas as pd
import pytest
from edgebench.analysis.flips import Change, Flip, Flips
from edgebench.records import RunRecord
from edgebench.report.csvflips import render_flips_csv
from edgebench.report.flips import Changed, Pictures, changed_answers, flips_section, pictured, pictured_ids
from edgebench.report.html import render_html
from edgebench.report.results import Result
from edgebench.report.tables import build_table
from samples import (
    HOSTILE,
    accuracy_comparison,
    answers_compared,
    empty_samples,
    fifty_cases,
    four_variants,
    make_case,
    make_record,
    predictions_of,
    samples_of,
    unlabelled,
    with_figures,
)
from test_html import read, text_of

JPEG = b"\xff\xd8\xff\xe0 not looked into"


def changed_in(record: RunRecord, predictions: pd.DataFrame | None = None) -> list[Changed]:
    found = predictions_of(record) if predictions is None else predictions
    return changed_answers(record, build_table(record).names, found)


def flip(number: int, label: str, change: Change = Change.LOST) -> Flip:
    return Flip(f"i{number}", None, label, label, 0.6, "nv", 0.7, 0.1, change)


@pytest.mark.parametrize("record", [answers_compared(), four_variants()], ids=["compared", "older record"])
def test_changes_are_counted_against_the_baseline(record: RunRecord) -> None:
    found = {entry.result.name: entry for entry in changed_in(record)}
    assert [entry.base.name for entry in found.values()] == ["float32"] * 3
    assert found["float16"].told() == "0 of 1,502 answers changed"
    assert found["int8"].told() == (
        "131 of 1,502 answers changed: 36 right to wrong, 75 wrong to another wrong, 20 wrong to right"
    )


def test_tables_show_the_first_few_and_name_the_form_that_has_all() -> None:
    record = answers_compared()
    terse = flips_section(changed_in(record), whole=False)
    whole = flips_section(changed_in(record), whole=True)
    assert terse is not None
    assert whole is not None
    assert [len(grid.rows) for grid in terse.grids] == [5, 5]
    assert [len(grid.rows) for grid in whole.grids] == [10, 10]
    assert terse.grids[1].rows[0] == ("ISIC_0000027", "akiec", "akiec", "0.90", "bcc", "0.90", "0.80")
    assert "--format flips-csv" in terse.about
    assert terse.lines == ("float16: 0 of 1,502 answers changed.",)


def test_without_predictions_there_is_nothing_to_show() -> None:
    assert changed_answers(answers_compared(), build_table(answers_compared()).names, None) == []
    assert flips_section([], whole=True) is None


def unlabelled_predictions() -> pd.DataFrame:
    base, other = unlabelled().cases
    scores = {"score:mel": [0.6, 0.6], "score:nv": [0.4, 0.4]}
    before = pd.DataFrame({"case": base.case_id, "image_id": ["a", "b"], "lesion_id": None, "label": None, **scores})
    after = before.assign(case=other.case_id)
    after.loc[0, ["score:mel", "score:nv"]] = [0.1, 0.9]
    return pd.concat([before, after], ignore_index=True)


def test_images_without_labels_are_told_as_changed_alone() -> None:
    (entry,) = changed_in(unlabelled(), unlabelled_predictions())
    assert entry.told() == "1 of 2 answers changed"
    section = flips_section([entry], whole=True)
    assert section is not None
    assert section.grids[0].rows == (("a", "–", "mel", "0.60", "nv", "0.90", "0.80"),)
    page = text_of(render_html(unlabelled(), empty_samples(), unlabelled_predictions()))
    assert "answered before as mel" in page
    assert "int8 float32 2 1 – – –" in page


def test_classes_take_turns_for_the_pictures_worst_first_in_each() -> None:
    flips = (*(flip(i, "nv") for i in range(40)), flip(50, "mel"), flip(51, "mel"), flip(52, "df"))
    result = Result("int8", "int8", (make_case("int8", 3.0),))
    shown = Changed(result, result, Flips(1000, flips)).pictured(6)
    assert {name: [item.image_id for item in found] for name, found in shown.items()} == {
        "df": ["i52"],
        "mel": ["i50", "i51"],
        "nv": ["i0", "i1", "i2"],
    }


def test_results_share_the_room_for_pictures() -> None:
    names = build_table(fifty_cases()).names
    assert len(pictured_ids(answers_compared(), names, None)) == 0
    entries = changed_in(answers_compared())
    assert [sum(map(len, by_class.values())) for _, by_class in pictured(entries * 2)] == [13, 24, 13, 24]
    assert all(sum(map(len, by_class.values())) <= 2 for _, by_class in pictured(entries * 40))


def test_the_page_has_a_picture_of_each_image_it_was_given() -> None:
    record = answers_compared()
    predictions = predictions_of(record)
    ids = pictured_ids(record, build_table(record).names, predictions)
    page = render_html(record, samples_of(record), predictions, Pictures({ids[0]: JPEG}))
    images = [attributes for tag, attributes in read(page).found if tag == "img"]
    assert {image["src"] for image in images} == {"data:image/jpeg;base64,/9j/4CBub3QgbG9va2VkIGludG8="}
    assert {image["alt"] for image in images} == {ids[0]}
    assert "img-src data:" in page
    assert "Without pictures" not in text_of(page)


@pytest.mark.parametrize("reason", ["the images were not at hand when this page was written", "left out"])
def test_a_page_without_pictures_says_why(reason: str) -> None:
    record = answers_compared()
    page = render_html(record, empty_samples(), predictions_of(record), Pictures(reason=reason))
    assert f"Without pictures: {reason}." in text_of(page)
    assert not [tag for tag, _ in read(page).found if tag == "img"]


def test_pictures_end_where_the_page_would_grow_too_large() -> None:
    record = fifty_cases()
    compared = []
    for case in record.cases:
        base = next(other for other in record.cases if (other.model, other.variant) == (case.model, "float32"))
        found = None if case is base else accuracy_comparison(case, base)
        compared.append(replace(with_figures(case), accuracy_comparison=found))
    record = make_record(compared)
    predictions = predictions_of(record)
    wanted = pictured_ids(record, build_table(record).names, predictions)
    pictures = Pictures(dict.fromkeys(wanted, b"x" * 12_000))
    page = render_html(record, samples_of(record), predictions, pictures)
    assert len(page.encode()) < 6_000_000
    assert 20 < page.count("<img ") < 40


def hostile_images() -> tuple[RunRecord, pd.DataFrame]:
    """A run whose image and lesion names are attacks."""
    record = answers_compared()
    predictions = predictions_of(record)
    predictions["image_id"] = predictions["image_id"] + '"' + HOSTILE + ".jpg|`*_\x1b[31m"
    return record, predictions


def test_names_of_images_are_text_everywhere() -> None:
    record, predictions = hostile_images()
    ids = pictured_ids(record, build_table(record).names, predictions)
    page = render_html(record, empty_samples(), predictions, Pictures(dict.fromkeys(ids, JPEG)))
    images = [attributes for tag, attributes in read(page).found if tag == "img"]
    assert images
    assert all(set(image) == {"src", "alt", "loading", "decoding"} for image in images)
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in images)
    assert "<img src=x" not in page
    assert "\x1b" not in page
    assert HOSTILE in " ".join(read(page).text)


def test_the_csv_has_every_change_of_every_case() -> None:
    record = answers_compared()
    rows = list(csv.DictReader(io.StringIO(render_flips_csv(record, predictions_of(record)))))
    int8 = [row for row in rows if "/int8@" in row["case_id"]]
    assert len(int8) == 131
    assert len(rows) == 144
    assert int8[0]["base_case_id"] == record.cases[0].case_id
    assert (int8[0]["image_id"], int8[0]["label"], int8[0]["base_answer"], int8[0]["answer"]) == (
        "ISIC_0000027", "akiec", "akiec", "bcc"
    )  # fmt: skip
    assert float(int8[0]["margin"]) == pytest.approx(0.8)
    assert [row["change"] for row in int8] == ["right to wrong"] * 36 + ["wrong to another wrong"] * 75 + [
        "wrong to right"
    ] * 20


def test_the_csv_of_a_run_without_images_is_its_heading() -> None:
    assert re.fullmatch(r"run_id,case_id,.*change\n", render_flips_csv(make_record([]), None))
