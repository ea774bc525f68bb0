from __future__ import annotations

import json
from pathlib import Path

import pytest
from edgebench.cli import main


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, as the current one, that no search leaves."""
    for name in ("EDGEBENCH_CONFIG", "EDGEBENCH_OUT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


TEXT = """
[run]
budget = "60s"
threads = [1, 2]
[[gate]]
variant = "int8*"
check = "p50 <= 1.05x"
[devices.pi]
ssh = "pi@raspberrypi.local"
"""


def test_without_anything_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    assert "file: none found\n\nedgebench run: no defaults are set\n" in capsys.readouterr().out


def test_each_value_has_its_origin(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "edgebench.toml").write_text(TEXT)
    monkeypatch.setenv("EDGEBENCH_RUN_BUDGET", "5s")
    assert main(["config"]) == 0
    shown = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert ["file:", "edgebench.toml"] in shown
    assert ["budget", "5s", "EDGEBENCH_RUN_BUDGET"] in shown
    assert ["threads", "1,2", "edgebench.toml: [run] threads"] in shown
    assert ["p50", "<=", "1.05x  (*/int8*@*)"] in shown
    assert ["devices:", "pi"] in shown


def test_json_has_the_same(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "edgebench.toml").write_text(TEXT)
    assert main(["config", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["file"] == "edgebench.toml"
    assert data["defaults"]["run"]["threads"] == {"value": ["1,2"], "from": "edgebench.toml: [run] threads"}
    assert data["gates"] == [{"check": ["p50 <= 1.05x"], "model": "*", "variant": "int8*", "device": "*"}]
    assert data["devices"] == {"pi": {"ssh": "pi@raspberrypi.local"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\nbudget = 'soon'", "edgebench.toml: [run] budget soon: not a duration; write 500ms, 2s or 5m"),
        ("[run]\nthreads = [0]", "edgebench.toml: [run] threads 0: must be between 1 and 256"),
        ("[run]\nbudgt = '1s'", "edgebench.toml: [run] budgt: no flag that may stand here is called --budgt"),
        (
            "[[gate]]\ncheck = 'p5O <= 1x'",
            "edgebench.toml: [[gate]] 'p5O <= 1x': there is no figure p5O; did you mean p50?",
        ),
        ("[rnu]", "edgebench.toml: no section is called [rnu]; did you mean run?"),
    ],
)
def test_a_wrong_file_is_found_before_any_run(
    place: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (place / "edgebench.toml").write_text(text)
    assert main(["config"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"edgebench: error: {said}")
    assert shown.err.count("\n") == 1
