from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

import pytest
from edgebench import cli
from edgebench.cli import main
from edgebench.command_line import Leaf, leaf
from edgebench.defaults import apply_defaults, default_lines, named_by_origin, written_out
from edgebench.errors import UsageError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, with no defaults from anywhere."""
    for name in list(os.environ):
        if name.startswith(("EDGEBENCH_RUN_", "EDGEBENCH_OUT", "EDGEBENCH_CONFIG")):
            monkeypatch.delenv(name)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str) -> None:
    Path("edgebench.toml").write_text(text, encoding="utf-8")


def parsed(*arguments: str) -> argparse.Namespace:
    """Return the options of a command line with all defaults."""
    parser = cli._parser(arguments)
    options = parser.parse_args(arguments)
    apply_defaults(leaf(parser, arguments), options)
    return options


def refused(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        parsed(*arguments)
    return str(caught.value)


def test_flag_before_variable_before_file_before_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed("run", "m").budget is None
    write('[run]\nbudget = "3s"')
    assert parsed("run", "m").budget == "3s"
    monkeypatch.setenv("EDGEBENCH_RUN_BUDGET", "2s")
    assert parsed("run", "m").budget == "2s"
    assert parsed("run", "m", "--budget", "1s").budget == "1s"
    monkeypatch.setenv("EDGEBENCH_RUN_BUDGET", "")
    assert parsed("run", "m").budget == "3s"


def test_values_are_of_the_flags_own_types() -> None:
    write(
        """
        [run]
        models = ["a.tflite", "b.tflite"]
        threads = [1, 2]
        engine = ["interpreter", "compiled"]
        delegate = "default,none"
        blocks = 3
        max-bad = 0.1
        budget = 60
        require-full = true
        labels = "labels.txt"
        runtime = "litert"
        data = "phantom"
        """
    )
    options = parsed("run")
    assert options.models == ["a.tflite", "b.tflite"]
    assert options.threads == "1,2"
    assert options.engine == ["interpreter", "compiled"]
    assert options.delegate == ["default,none"]
    assert (options.blocks, options.max_bad, options.budget) == (3, 0.1, "60")
    assert options.require_full is True
    assert options.labels == Path("labels.txt")
    assert options.runtime == "litert"


def test_what_is_given_replaces_a_list_whole() -> None:
    write('[run]\nengine = ["interpreter", "compiled"]\nmodels = "a.tflite"')
    options = parsed("run", "b.tflite", "--engine", "compiled")
    assert (options.models, options.engine) == (["b.tflite"], ["compiled"])


def test_variables_hold_several_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_RUN_MODELS", os.pathsep.join(["a,b.tflite", "c.tflite"]))
    monkeypatch.setenv("EDGEBENCH_RUN_DELEGATE", "default,none")
    monkeypatch.setenv("EDGEBENCH_RUN_REQUIRE_FULL", "yes")
    monkeypatch.setenv("EDGEBENCH_RUN_SEED", "7")
    options = parsed("run")
    assert options.models == ["a,b.tflite", "c.tflite"]
    assert options.delegate == ["default,none"]
    assert (options.require_full, options.seed) == (True, 7)


def test_a_variable_can_take_back_what_the_file_switches_on(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[run]\nrequire-full = true")
    monkeypatch.setenv("EDGEBENCH_RUN_REQUIRE_FULL", "0")
    assert parsed("run", "m").require_full is False


def test_every_command_looks_where_runs_go(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed("report", "latest").out == Path("results")
    write('[run]\nout = "~/runs"')
    assert parsed("report", "latest").out == parsed("run", "m").out == Path.home() / "runs"
    monkeypatch.setenv("EDGEBENCH_OUT", "elsewhere")
    assert parsed("report", "latest").out == parsed("run", "m").out == Path("elsewhere")
    monkeypatch.setenv("EDGEBENCH_RUN_OUT", "mine")
    assert parsed("report", "latest").out == Path("elsewhere")
    assert parsed("run", "m").out == Path("mine")
    assert parsed("run", "m", "--out", "here").out == Path("here")


def test_a_folder_for_something_else_is_not_where_runs_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_OUT", "elsewhere")
    assert parsed("profile", "m").out is None


def test_a_file_can_be_named(place: Path) -> None:
    (place / "other.toml").write_text("[run]\nseed = 3")
    assert parsed("run", "m", "--config", "other.toml").seed == 3
    assert parsed("report", "latest", "--config", "other.toml").out == Path("results")


def test_a_run_that_goes_on_takes_only_what_is_about_its_output() -> None:
    write('[run]\nout = "runs"\nquiet = true\nbudget = "soon"\nmodels = ["a.tflite"]\nlimit = 3\ngate = "size <= 3MB"')
    options = parsed("run", "--resume", "latest")
    assert (options.out, options.quiet, options.gate) == (Path("runs"), True, ["size <= 3MB"])
    assert (options.budget, options.models, options.limit) == (None, [], None)


@pytest.mark.parametrize(
    ("text", "arguments", "name", "value"),
    [
        ("limit = 3", [], "limit", None),
        ("limit = 3", ["--data", "phantom"], "limit", 3),
        ("limit = 3\ndata = 'phantom'", [], "limit", 3),
        ("gap = '1s'", [], "gap", None),
        ("gap = '1s'", ["--waits", "batches"], "gap", None),
        ("gap = '1s'", ["--waits", "batches,idle-gap"], "gap", "1s"),
        ("gap = '1s'\nwaits = 'all'", [], "gap", "1s"),
        ("gap = '1s'\nwaits = ['idle-gap']", ["--waits", "batches"], "gap", None),
        ("delegate-option = 'a=b'", [], "delegate_option", []),
        ("delegate-option = 'a=b'", ["--delegate", "external:x.so"], "delegate_option", ["a=b"]),
        ("quiet = true", ["--verbose"], "quiet", False),
        ("verbose = true", ["-q"], "verbose", False),
    ],
)
def test_a_default_that_goes_with_another_flag_waits_for_it(
    text: str, arguments: list[str], name: str, value: Any
) -> None:
    write(f"[run]\n{text}")
    assert getattr(parsed("run", "m", *arguments), name) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budgt = '1s'", "edgebench.toml: [run] budgt: no flag that may stand here is called --budgt; did you mean bu"),
        ("resume = 'latest'", "edgebench.toml: [run] resume: no flag that may stand here is called --resume"),
        ("min_runs = 3", "edgebench.toml: [run] min_runs: no flag that may stand here is called --min_runs; did you m"),
        ("seed = 'x'", "edgebench.toml: [run] seed x: is not a whole number"),
        ("seed = 1.5", "edgebench.toml: [run] seed 1.5: is not a whole number"),
        ("max-bad = 'x'", "edgebench.toml: [run] max-bad x: is not a number"),
        ("split = 'tset'", "edgebench.toml: [run] split tset: choose test, validation, train, all"),
        ("require-full = 1", "edgebench.toml: [run] require-full: must be true or false"),
        ("require-full = [true]\n", None),
        ("budget = true", "edgebench.toml: [run] budget: takes a value, not true or false"),
        ("out = '~nobody-of-this-name/x'", "edgebench.toml: [run] out: ~nobody-of-this-name/x: no such user's home"),
    ],
)
def test_a_wrong_value_is_named_by_where_it_stands(text: str, said: str | None) -> None:
    write(f"[run]\n{text}")
    if said is None:
        assert parsed("run", "m").require_full is True
    else:
        assert refused("run", "m").startswith(said)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("EDGEBENCH_RUN_SEED", "x", "EDGEBENCH_RUN_SEED x: is not a whole number"),
        ("EDGEBENCH_RUN_SPLIT", "x", "EDGEBENCH_RUN_SPLIT x: choose test, validation, train, all"),
        ("EDGEBENCH_RUN_QUIET", "maybe", "EDGEBENCH_RUN_QUIET maybe: write 1 for yes or 0 for no"),
        (
            "EDGEBENCH_RUN_BUGDET",
            "1s",
            "EDGEBENCH_RUN_BUGDET: no flag of edgebench run goes with it; did you mean EDGE",
        ),
        ("EDGEBENCH_RUN_RESUME", "latest", "EDGEBENCH_RUN_RESUME: no flag of edgebench run goes with it"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, text: str, said: str) -> None:
    monkeypatch.setenv(name, text)
    assert refused("run", "m").startswith(said)


def test_what_a_flag_refuses_later_is_named_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write('[run]\nbudget = "5x"\nmin-runs = 64')
    assert main(["run", "m"]) == 2
    said = capsys.readouterr().err
    assert said == "edgebench: error: edgebench.toml: [run] budget 5x: not a duration; write 500ms, 2s or 5m\n"
    monkeypatch.setenv("EDGEBENCH_RUN_MAX_RUNS", "3")
    assert main(["run", "m", "--budget", "1s"]) == 2
    assert capsys.readouterr().err == (
        "edgebench: error: EDGEBENCH_RUN_MAX_RUNS 3: must not be below edgebench.toml: [run] min-runs 64\n"
    )


def test_an_error_before_any_option_is_left_as_it_is() -> None:
    assert named_by_origin("--budget x: wrong", None) == "--budget x: wrong"


def test_the_record_has_a_command_that_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        """
        [run]
        models = ["a.tflite"]
        engine = ["interpreter", "compiled"]
        normalize = "-1..1"
        data = "phantom"
        require-full = true
        quiet = true
        """
    )
    monkeypatch.setenv("EDGEBENCH_RUN_BUDGET", "2s")
    words = written_out(parsed("run", "--seed", "3"), ["run", "--seed", "3"])
    again = parsed(*words)
    Path("edgebench.toml").unlink()
    monkeypatch.delenv("EDGEBENCH_RUN_BUDGET")
    alone = parsed(*words)
    for options in (again, alone):
        del options.defaults, options.command, options.quiet
    assert vars(alone) == vars(again)
    assert (alone.seed, alone.budget, alone.models) == (3, "2s", ["a.tflite"])


def test_verbose_lines_say_where_defaults_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[run]\nthreads = [1, 2]")
    monkeypatch.setenv("EDGEBENCH_OUT", "runs")
    assert default_lines(parsed("run", "m")) == [
        "out = runs (EDGEBENCH_OUT)",
        "threads = 1,2 (edgebench.toml: [run] threads)",
    ]


def test_commands_within_commands_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for ``edgebench results prune``."""
    parser = argparse.ArgumentParser()
    results = parser.add_subparsers().add_parser("results").add_subparsers()
    prune = results.add_parser("prune")
    prune.add_argument("--out", type=Path, default=Path("results"))
    monkeypatch.setenv("EDGEBENCH_OUT", "runs")
    found = leaf(parser, ["results", "prune"])
    assert isinstance(found, Leaf)
    assert found.names == ("results", "prune")
    options = parser.parse_args(["results", "prune"])
    apply_defaults(found, options)
    assert options.out == Path("runs")


DOCUMENTED = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"


def test_the_documented_file_is_a_right_one(place: Path) -> None:
    from edgebench.config import load_config

    (text,) = re.findall(r"```toml\n(.*?)```", DOCUMENTED.read_text(encoding="utf-8"), re.DOTALL)
    write(text)
    options = parsed("run")
    assert options.models == ["models/skin", "other/int8=build/other.tflite"]
    assert (options.threads, options.require_full) == ("1,2", True)
    assert len(load_config().gates) == 2


def test_every_key_is_documented() -> None:
    from edgebench.defaults import _flags

    command = leaf(cli._parser(["run"]), ["run"])
    page = DOCUMENTED.read_text(encoding="utf-8")
    assert [name for name, _ in _flags(command.parser) if f"`{name.replace('_', '-')}`" not in page] == []
