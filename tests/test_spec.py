from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edgebench.errors import InputError, UsageError
from edgebench.images.geometry import ResizeMode
from edgebench.records import DelegateKind, Engine, Wait
from edgebench.spec import (
    DEFAULT_SETTINGS,
    DataSpec,
    PythonTarget,
    Spec,
    WaitSpec,
    make_wait_spec,
    parse_choice,
    parse_delegate,
    parse_delegates,
    parse_devices,
    parse_duration_ns,
    parse_percent,
    parse_python,
    parse_threads,
    parse_waits,
)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("500ms", 500_000_000),
        ("2s", 2_000_000_000),
        ("3", 3_000_000_000),
        ("1.5m", 90_000_000_000),
        ("2min", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        (" 7 s ", 7_000_000_000),
        ("0ms", 0),
        ("0.5ms", 500_000),
    ],
)
def test_duration(text: str, nanoseconds: int) -> None:
    assert parse_duration_ns(text, "--min-time") == nanoseconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 day", "1e3", "1,5s", "1s2", "1.s", "nan", "inf", "1 S"])
def test_what_is_no_duration_is_refused_naming_flag_and_text(text: str) -> None:
    with pytest.raises(UsageError, match="not a duration; write 500ms, 2s or 5m") as caught:
        parse_duration_ns(text, "--max-time")
    assert str(caught.value).startswith(f"--max-time {text}:")


def test_a_duration_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(UsageError, match="--min-time: this duration"):
        parse_duration_ns("9" * 400, "--min-time")


@pytest.mark.parametrize(
    ("text", "share"),
    [("1%", 0.01), ("0.01", 0.01), ("0.5 %", 0.005), (" 2.5% ", 0.025), ("1e-3", 0.001), ("99%", 0.99)],
)
def test_percent(text: str, share: float) -> None:
    assert parse_percent(text, "--precision") == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "one", "1%%", "1,5%", "5 percent", "%1"])
def test_what_is_no_share_is_refused_naming_flag_and_text(text: str) -> None:
    with pytest.raises(UsageError, match=r"not a share; write 1% or 0\.01") as caught:
        parse_percent(text, "--precision")
    assert str(caught.value).startswith(f"--precision {text}:")


@pytest.mark.parametrize("text", ["0", "0%", "-1%", "1", "100%", "5", "nan", "nan%", "inf", "1e400"])
def test_a_share_is_above_nothing_and_below_the_whole(text: str) -> None:
    """A bare 1 could be meant as 1 %: it is refused rather than taken for all."""
    with pytest.raises(UsageError, match="must be above 0 and below 100%"):
        parse_percent(text, "--precision")


def test_threads_keep_their_order_and_lose_repetitions() -> None:
    assert parse_threads("4,1,2,1") == (4, 1, 2)
    assert parse_threads(" 2 , 3") == (2, 3)


@pytest.mark.parametrize("text", ["", "a", "1,,2", "1;2", "1.5", "1,"])
def test_threads_that_are_no_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="write whole numbers such as 1 or 1,2,4"):
        parse_threads(text)


@pytest.mark.parametrize("kind", ["default", "xnnpack", "none", "gpu", "nnapi"])
def test_plain_delegates(kind: str) -> None:
    delegate = parse_delegate(kind)
    assert (delegate.kind, delegate.library, delegate.options) == (DelegateKind(kind), None, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("npu", "choose default, xnnpack, none, gpu, nnapi or external:PATH"),
        ("gpu:lib.so", "only external takes a path"),
        ("", "choose default"),
        ("XNNPACK", "choose default"),
        ("xnnpack:lib.so", "only external takes a path"),
        ("external", "needs a path: external:PATH/TO/LIBRARY.so"),
        ("external:", "needs a path"),
        ("external:/nowhere/lib.so", "no such library: /nowhere/lib.so"),
        ("external:./lib.so", "no such library"),
    ],
)
def test_delegates_that_cannot_be(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_delegate(text)


def test_an_external_delegate_keeps_its_place_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "libmy.so"
    library.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    (delegate,) = parse_delegates(["external:./libmy.so"], ["a=1", "b=x=y", "c="])
    assert delegate.library == str(library)
    assert delegate.options == {"a": "1", "b": "x=y", "c": ""}


def test_a_bare_library_name_is_left_to_the_loader() -> None:
    assert parse_delegate("external:libedgetpu.so.1").library == "libedgetpu.so.1"


def test_an_external_delegate_below_an_unknown_home_is_one_line() -> None:
    with pytest.raises(InputError, match="home folder"):
        parse_delegate("external:~nobody_has_this_name/lib.so")


@pytest.mark.parametrize("option", ["a", "=1", ""])
def test_options_must_be_pairs(option: str) -> None:
    with pytest.raises(UsageError, match="must be KEY=VALUE"):
        parse_delegate("external:lib.so", [option])


def test_options_without_an_external_delegate_are_not_dropped_silently() -> None:
    with pytest.raises(UsageError, match="--delegate-option a=b: goes with --delegate external:PATH only"):
        parse_delegates(["xnnpack", "none"], ["a=b"])
    mixed = parse_delegates(["none", "external:lib.so"], ["a=b"])
    assert [dict(delegate.options) for delegate in mixed] == [{}, {"a": "b"}]


def test_choices_are_named() -> None:
    assert parse_choice(Engine, "compiled", "--engine") is Engine.COMPILED
    assert parse_choice(Engine, Engine.COMPILED, "--engine") is Engine.COMPILED
    with pytest.raises(UsageError, match="--engine fast: choose interpreter, compiled"):
        parse_choice(Engine, "fast", "--engine")
    with pytest.raises(UsageError, match="--resize zoom: choose stretch, crop, pad"):
        parse_choice(ResizeMode, "zoom", "--resize")


def test_a_python_by_path_by_command_and_by_name(tmp_path: Path) -> None:
    assert parse_python(sys.executable) == PythonTarget(str(Path(sys.executable).absolute()), None)
    assert parse_python(f"new-1.0_x={sys.executable}").name == "new-1.0_x"
    assert Path(parse_python("sh").path).is_absolute()
    odd = tmp_path / "a b=c"
    odd.write_text("#!/bin/sh\n")
    odd.chmod(0o755)
    assert parse_python(str(odd)) == PythonTarget(str(odd), None)


@pytest.mark.parametrize("text", ["", "/nowhere/python", "x=/nowhere/python", "x=", "~nobody_has_this_name/python"])
def test_a_python_that_is_not_there(text: str) -> None:
    with pytest.raises(UsageError, match="--python"):
        parse_python(text)


def test_a_file_that_may_not_be_executed_is_no_python(tmp_path: Path) -> None:
    plain = tmp_path / "python"
    plain.write_text("")
    with pytest.raises(UsageError, match="no such program"):
        parse_python(str(plain))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": ()}, "no model given"),
        ({"engines": ()}, "no engines given"),
        ({"delegates": ()}, "no delegates given"),
        ({"threads": ()}, "no threads given"),
        ({"threads": (1, 0)}, "--threads 0: must be between 1 and 256"),
        ({"threads": (257,)}, "--threads 257"),
        ({"data": DataSpec("folder:x", limit=0)}, "--limit 0: must be at least 1"),
        ({"data": DataSpec("folder:x", max_bad_fraction=1.1)}, "--max-bad 1.1"),
        ({"data": DataSpec("folder:x", max_bad_fraction=-0.1)}, "--max-bad -0.1"),
        ({"data": DataSpec("folder:x", max_bad_fraction=float("nan"))}, "--max-bad nan"),
    ],
)
def test_a_spec_is_checked(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Spec(**{"models": ("m.tflite",), **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_runs": 0}, "--min-runs 0: must be at least 1"),
        ({"min_runs": 30_000}, "--max-runs 20000: must not be below --min-runs 30000"),
        ({"max_time_ns": 5}, "--max-time must not be below --min-time"),
        ({"min_blocks": 0, "max_blocks": 0}, "--blocks 0: must be at least 1"),
        ({"max_blocks": 5}, "max_blocks 5: must not be below min_blocks 6"),
        ({"precision": 0.0}, "--precision 0.0: must be above 0 and below 100%"),
        ({"precision": float("nan")}, "--precision nan"),
        ({"budget_ns": 0}, "--budget: must be above 0"),
        ({"seed": -1}, "--seed -1: must not be negative"),
        ({"timeout_s": 0.0}, "--timeout 0s: must be above 0"),
        ({"timeout_s": float("nan")}, "--timeout"),
        ({"timeout_s": float("inf")}, "at most 24h"),
        ({"timeout_s": 3_600_000.0}, "at most 24h"),
    ],
)
def test_settings_are_checked(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Spec(models=("m.tflite",), settings=replace(DEFAULT_SETTINGS, **changes))


def test_limits_themselves_are_fine() -> None:
    settings = replace(DEFAULT_SETTINGS, min_runs=1, max_runs=1, min_time_ns=7, max_time_ns=7, timeout_s=86_400.0)
    settings = replace(settings, min_blocks=1, max_blocks=1, precision=0.999, budget_ns=1)
    spec = Spec(models=("m",), threads=(1, 256), settings=settings, data=DataSpec("d", limit=1, max_bad_fraction=1.0))
    assert spec.settings == settings


def waits(*names: str, with_data: bool = False, texts: Mapping[str, str] | None = None) -> WaitSpec | None:
    """Return what names ask for; ``texts`` are those of the flags gap, batches and workers."""
    given = texts or {}
    return make_wait_spec(
        names, gap=given.get("gap"), batches=given.get("batches"), workers=given.get("workers"), with_data=with_data
    )


def test_waits_are_in_the_order_of_the_record_each_once() -> None:
    assert parse_waits(["workers", "idle-gap", "workers"]) == (Wait.IDLE_GAP, Wait.WORKERS)
    assert parse_waits(["all"]) == parse_waits(["batches", "all"]) == tuple(Wait)
    assert parse_waits([]) == ()


def test_a_wait_that_is_none_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"--waits idle: .*idle-gap"):
        parse_waits(["idle"])


def test_nothing_asked_for_is_nothing() -> None:
    assert waits() is None


def test_waits_have_defaults() -> None:
    assert waits("batches") == WaitSpec((Wait.BATCHES,), 100_000_000, (1, 2, 4, 8), (1, 2))


def test_gap_batches_and_workers_are_read() -> None:
    found = waits("idle-gap", "batches", "workers", texts={"gap": "1s", "batches": "1,16", "workers": "4,1,4"})
    assert found == WaitSpec((Wait.IDLE_GAP, Wait.BATCHES, Wait.WORKERS), 1_000_000_000, (1, 16), (4, 1))


@pytest.mark.parametrize(
    ("flag", "text", "wait"), [("gap", "1s", "idle-gap"), ("batches", "2", "batches"), ("workers", "2", "workers")]
)
def test_what_belongs_to_a_wait_is_not_dropped_silently(flag: str, text: str, wait: str) -> None:
    with pytest.raises(UsageError, match=f"--{flag} {text}: goes with --waits {wait}"):
        waits("cold-start", texts={flag: text})
    with pytest.raises(UsageError, match=f"--{flag} {text}: goes with --waits {wait}"):
        waits(texts={flag: text})


def test_end_to_end_needs_images_when_named_and_is_left_to_a_reason_in_all() -> None:
    with pytest.raises(UsageError, match=r"--waits end-to-end: .*--data SOURCE"):
        waits("end-to-end")
    assert waits("end-to-end", with_data=True) == WaitSpec((Wait.END_TO_END,))
    assert waits("all") == WaitSpec(tuple(Wait))


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        ("gap", "soon", "--gap soon: not a duration"),
        ("batches", "two", "--batches two: write whole numbers"),
        ("workers", "1,,2", "--workers 1,,2: write whole numbers"),
    ],
)
def test_texts_that_are_no_numbers(flag: str, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        waits("all", texts={flag: text})


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        ("gap", "0ms", "--gap 0ms: must be above 0 and at most 10s"),
        ("gap", "11s", "--gap 11000ms: must be above 0"),
        ("batches", "0", "--batches 0: must be between 1 and 4096"),
        ("batches", "1,5000", "--batches 5000: must be between"),
        ("workers", "300", "--workers 300: must be between 1 and 256"),
    ],
)
def test_numbers_beyond_reason(flag: str, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Spec(models=("m",), waits=waits("all", texts={flag: text}))


@pytest.mark.parametrize("count", [0, 257])
def test_workers_that_classify_beyond_reason(count: int) -> None:
    with pytest.raises(UsageError, match=f"--eval-workers {count}: must be between 1 and 256"):
        Spec(models=("m",), data=DataSpec("phantom", eval_workers=count))


def test_a_wait_spec_without_a_wait() -> None:
    with pytest.raises(UsageError, match="no wait named"):
        Spec(models=("m",), waits=WaitSpec(()))


def test_devices_are_named_once_in_the_order_given() -> None:
    assert parse_devices(["local,pi", " pi ", "ssh://a@b:22,local"]) == ("local", "pi", "ssh://a@b:22")
    assert parse_devices([","]) == ()
    with pytest.raises(UsageError, match="no devices given"):
        Spec(models=("a",), devices=())


def test_a_python_of_a_device_is_not_looked_for_here() -> None:
    assert parse_python("/opt/nowhere/python3", here=False) == PythonTarget("/opt/nowhere/python3", None)
    assert parse_python("old=~/env/bin/python", here=False) == PythonTarget("~/env/bin/python", "old")
