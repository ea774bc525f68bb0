from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from edgebench import cli
from edgebench.condition_settings import condition_settings, parse_celsius
from edgebench.errors import UsageError
from edgebench.readings import ThermalStatus
from edgebench.spec import DEFAULT_SETTINGS, Spec, parse_cpus


@pytest.mark.parametrize(("text", "celsius"), [("55C", 55), ("55", 55), (" 42.5 °C ", 42.5), ("60c", 60), ("-3C", -3)])
def test_temperatures_are_read(text: str, celsius: float) -> None:
    assert parse_celsius(text, "--cool-to") == celsius


@pytest.mark.parametrize("text", ["", "C", "warm", "131F", "5e1C", "nan"])
def test_what_is_no_temperature_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--cool-to .*: not a temperature; write 55C"):
        parse_celsius(text, "--cool-to")


@pytest.mark.parametrize("text", ["status:none", " Status: NONE "])
def test_a_phones_thermal_status_is_read(text: str) -> None:
    assert condition_settings(text, None, None) == {"cool_to_status": ThermalStatus.NONE}


def test_all_together() -> None:
    assert condition_settings("55C", "5m", "performance") == {
        "cool_to_celsius": 55.0,
        "cool_timeout_s": 300.0,
        "governor": "performance",
    }
    assert condition_settings(None, None, None) == {}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((None, "5m", None), "--cool-timeout 5m: goes with --cool-to"),
        (("55C", "soon", None), "--cool-timeout soon: not a duration"),
        ((None, None, "x; reboot"), "--set-governor x; reboot: not the name of a governor"),
        ((None, None, ""), "--set-governor : not the name"),
        (("status:lite", None, None), r"--cool-to status:lite: no thermal status of Android; did you mean light\?"),
        (("status:", None, None), "no thermal status of Android; there are: critical"),
        (("none", None, None), "not a temperature; write 55C, or for a phone status:none"),
    ],
)
def test_what_is_wrong_is_refused(asked: tuple[str | None, str | None, str | None], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        condition_settings(*asked)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cool_to_celsius": 0.0}, "--cool-to 0C: must be above 0"),
        ({"cool_to_celsius": 300.0}, "--cool-to 300C: .* at most 125C"),
        ({"cool_timeout_s": 0.0}, "--cool-timeout 0s: must be above 0"),
    ],
)
def test_settings_out_of_reach_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Spec(("a.tflite",), settings=replace(DEFAULT_SETTINGS, **changes))


def test_choices_of_cpus_are_written_one_way() -> None:
    assert parse_cpus(["big", "3,1,2", "1-3", " little ", "0"]) == ("big", "1-3", "little", "0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bigg", "--cpus bigg: write big, little or numbers such as 0-3 or 0,2"),
        ("big,little", "for a case with each write --cpus big --cpus little"),
        ("", "--cpus : write big"),
        ("3-0", "--cpus 3-0: write"),
    ],
)
def test_what_names_no_cpus_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_cpus([text])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--cool-timeout", "5m"], "--cool-timeout 5m: goes with --cool-to"),
        (["--cpus", "big,0"], "--cpus big,0: for a case with each"),
        (["--set-governor", "a/b"], "--set-governor a/b: not the name of a governor"),
    ],
)
def test_the_command_says_it_in_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "model.tflite", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"edgebench: error: {line}")
