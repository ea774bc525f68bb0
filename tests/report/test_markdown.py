from __future__ import annotations

import re

from edgebench.report.markdown import escaped, render_markdown
from samples import compared, four_variants, hostile, only_failures, two_runtimes


def tables(text: str) -> list[list[str]]:
    blocks = [block.splitlines() for block in text.split("\n\n")]
    return [lines for lines in blocks if lines[0].startswith("|")]


def columns(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_tables_are_well_formed_even_with_pipes_in_names() -> None:
    for record in (four_variants(), compared(), two_runtimes(), hostile()):
        found = tables(render_markdown(record))
        assert found
        for lines in found:
            assert re.fullmatch(r"\|( -{3}:? \|)+", lines[1])
            assert {columns(line) for line in lines} == {columns(lines[1])}


def test_content() -> None:
    text = render_markdown(four_variants())
    assert text.startswith("# Which variant of ham10000\\_mobilenet\\_v2 should run on this machine?")
    assert "| int8 | 2.66 | 7.12 | 6.44 | 3.58 | 3.80 | 72.0 | 65/66, 1 part | 0.831 | 0.644 |" in text
    assert "mel (n=167)" in text
    assert "Not a medical device." in text
    for term in ("**peak MB**", "**bal. acc.**", "**p50 ms, p90 ms**", "**delegated**"):
        assert term in text


def test_ratios_stand_in_the_table_and_are_explained() -> None:
    text = render_markdown(compared())
    assert "| float16 | 4.44 | 11.2 | 13.4 | 7.46 | 1.004 ±1.1%≈ | 7.92 |" in text
    assert "Against base: latency ratio, paired in turns" in text
    assert "**against base**" in text


def test_names_stay_text() -> None:
    text = render_markdown(hostile())
    assert not re.search(r"(?<!\\)<(img|script|b|svg)", text)
    assert "\x1b" not in text
    assert escaped("a|b`c*[d](e)") == "a\\|b\\`c\\*\\[d\\](e)"
    assert "https://" not in escaped("see https://example.org")


def test_only_failures() -> None:
    text = render_markdown(only_failures())
    assert "FAILED runtime-refused" in text
    assert not tables(text)
