from __future__ import annotations

from dataclasses import replace

from edgebench.report.shipping_cards import shipping_cards
from edgebench.report.tables import build_table
from large_run import large_run
from samples import answers_compared, judged


def test_the_choice_has_its_figures() -> None:
    record = answers_compared()
    (card,) = shipping_cards(record, build_table(record))
    assert (card.place, card.name) == ("", "float32")
    assert card.figures == (
        ("7.43", "ms", "p50 latency"),
        ("8.84", "MB", "file"),
        ("78.1", "MB", "peak memory"),
        ("0.708", "", "balanced accuracy"),
    )


def test_models_have_a_card_each() -> None:
    record = large_run(samples_per_case=60).record
    cards = shipping_cards(record, build_table(record))
    assert [card.place for card in cards] == [
        f"ham10000_mobilenet_v2_{alpha}" for alpha in ("035", "050", "075", "100", "140")
    ]
    assert cards[0].name == "float32 t4"


def test_no_choice_is_no_card() -> None:
    assert shipping_cards(judged(), build_table(judged())) == []
    stopped = replace(answers_compared(), interrupted=True)
    assert shipping_cards(stopped, build_table(stopped)) == []
