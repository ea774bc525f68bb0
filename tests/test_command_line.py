from __future__ import annotations

import pytest
from edgebench.cli import main
from edgebench.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reprot", "latest"], "unknown command 'reprot': did you mean report?"),
        (["zzz"], "unknown command 'zzz': there are: config, "),
        (
            ["run", "m", "--thredas", "2"],
            "unrecognized arguments: --thredas 2; did you mean --threads? (see: edgebench",
        ),
        (["run", "m", "--thredas=2"], "unrecognized arguments: --thredas=2; did you mean --threads?"),
        (["report", "x", "--formt", "md"], "unrecognized arguments: --formt md; did you mean --format?"),
        (["report", "x", "--zzzzz"], "unrecognized arguments: --zzzzz (see: edgebench report --help)"),
        (["report", "x", "y"], "unrecognized arguments: y (see: edgebench report --help)"),
    ],
)
def test_what_was_probably_meant(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"edgebench: error: {said}")
    assert shown.err.count("\n") == 1


def test_alone_it_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "report" in shown.out
    assert "demo" in shown.out
    assert shown.err == ""


def test_the_nearest_name_is_told_only_where_it_is_near() -> None:
    assert nearest("reprot", ["run", "report"]) == "report"
    assert nearest("zzz", ["run", "report"]) is None
    assert did_you_mean("zzz", ["b", "a"]) == "there are: a, b"
