from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from edgebench.errors import UsageError
from edgebench.filters import Filters, choose, parse_age, parse_moment
from edgebench.index import Row, load_index
from stored_runs import FLOAT32, INT8, write_run

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Row, ...]:
    for number in range(4):
        write_run(tmp_path, number, host="board" if number == 3 else "host")
    return load_index(tmp_path).rows


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (Filters(), 8),
        (Filters(case=INT8), 4),
        (Filters(case="sample/int8"), 4),
        (Filters(case="*/t1"), 8),
        (Filters(case="sample/int8*"), 4),
        (Filters(variant="float*"), 4),
        (Filters(model="sample", host="boar?"), 2),
        (Filters(device="local"), 8),
        (Filters(last=1), 4),
        (Filters(last=1, host="host"), 2),
        (Filters(since=datetime(2026, 1, 2, tzinfo=timezone.utc)), 6),
        (Filters(until=datetime(2026, 1, 2, tzinfo=timezone.utc)), 4),
    ],
)
def test_filters_keep_what_passes_all_of_them(rows: tuple[Row, ...], filters: Filters, count: int) -> None:
    assert len(choose(rows, filters)) == count


def test_a_case_with_brackets_in_its_id_is_no_pattern(rows: tuple[Row, ...]) -> None:
    import dataclasses

    pinned = dataclasses.replace(rows[0], case_id=f"{FLOAT32}[0-3]")
    assert choose([pinned, *rows], Filters(case=f"{FLOAT32}[0-3]")) == [pinned]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (Filters(case="sampl/int9"), "no stored case matches 'sampl/int9'; near it: sample/int8"),
        (Filters(case="sample/int8@lokal*"), f"near it: {INT8}"),
        (Filters(model="zzz"), "no stored model matches 'zzz'; there are: sample"),
        (Filters(host="hots"), "near it: host"),
        (
            Filters(host="board", until=datetime(2026, 1, 1, tzinfo=timezone.utc)),
            "no stored result passes all of these filters together; stored ones are from 2026-01-01 to 2026-01-04",
        ),
    ],
)
def test_what_matches_nothing_names_what_is_near(rows: tuple[Row, ...], filters: Filters, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(rows, filters)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "end", "moment"),
    [
        ("2026-02-01", False, datetime(2026, 2, 1)),
        ("2026-02-01", True, datetime(2026, 2, 1, 23, 59, 59, 999_999)),
        ("2026-02-01T13:00", False, datetime(2026, 2, 1, 13)),
        ("2026-02-01T13:00+02:00", False, datetime(2026, 2, 1, 11)),
        ("2026-02-01T13:00:00Z", False, datetime(2026, 2, 1, 13)),
        ("1d", False, datetime(2026, 2, 28, 12)),
        ("2w", True, datetime(2026, 2, 15, 12)),
    ],
)
def test_a_moment_is_read(text: str, end: bool, moment: datetime) -> None:
    assert parse_moment(text, "--since", NOW, end=end) == moment.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "2026-02-30", "12", "-1d", "1y"])
def test_what_is_no_date_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"--since .*is no date; write 2026-11-25"):
        parse_moment(text, "--since", NOW)


def test_an_age_is_read() -> None:
    assert parse_age("1.5d", "--older-than") == timedelta(hours=36)
    assert parse_age("9" * 400 + "w", "--older-than") == timedelta(days=36_500)
    with pytest.raises(UsageError, match=r"--older-than soon: is no age; write 12h, 90d or 8w"):
        parse_age("soon", "--older-than")
