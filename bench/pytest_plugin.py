"""The pytest plugin: marker and fixture ``edgebench``, and limits that fail a test only where the data show it.

Nothing heavy is imported here: every pytest run of everyone who has edgebench installed loads this module.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .analysis.gating import Judgement
    from .testing.deferred import Deferred
    from .testing.marked import Request
    from .testing.measured import Measure, Measured

_MARK = "edgebench"
_DEFERRED = pytest.StashKey["Deferred"]()
_REQUEST = pytest.StashKey["Request"]()
_UNDECIDED = ("pass", "fail")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options under a prefix of our own: the plugin is loaded beside everyone else's."""
    group = parser.getgroup("edgebench", "edgebench: latency, memory and accuracy of TFLite models")
    group.addoption("--edgebench-out", metavar="DIR", help="store what tests measure below DIR, as edgebench run does")
    group.addoption(
        "--edgebench-budget", metavar="T", help="time for one run of all marked tests that share it (default 60s)"
    )
    group.addoption(
        "--edgebench-device",
        metavar="DEVICE",
        help="measure on this device: a name of edgebench.toml or ssh://USER@HOST",
    )
    group.addoption(
        "--edgebench-undecided", choices=_UNDECIDED, help="what a limit that could not be decided does (pass, aloud)"
    )
    parser.addini("edgebench_undecided", "what a limit that could not be decided does: pass or fail", default="pass")
    parser.addini("edgebench_budget", "time for one run of all marked tests that share it", default="60s")
    parser.addini("edgebench_device", "the device for all marked tests (default: this machine)", default="")
    parser.addini("edgebench_data", "images for all marked tests, as --data of edgebench run has it", default="")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Add the suite's options where it is named as a package: its conftest is found too late for them."""
    if any(text.split("::")[0] == "edgebench.suite" for text in args):
        from .testing.suite_options import add_suite_options

        add_suite_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and check what would only show at the end."""
    config.addinivalue_line(
        "markers",
        "edgebench(model, engine, delegate, threads, max_p50_ms, max_peak_mb, max_size_mb, min_recall, min_balanced, "
        "max_ratio, gate, data, device, budget, ...): measure a TFLite model and hold it to limits",
    )
    if config.getini("edgebench_undecided") not in _UNDECIDED:
        raise pytest.UsageError(f"edgebench_undecided = {config.getini('edgebench_undecided')}: choose pass or fail")
    device = config.getoption("--edgebench-device") or config.getini("edgebench_device")
    if "," in device:
        raise pytest.UsageError(f"--edgebench-device {device}: tests measure on one device; name one")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give marked tests the fixtures that measure and report, whether they name them or not."""
    for item in items:
        if item.get_closest_marker(_MARK) is None or not isinstance(item, pytest.Function):
            continue
        if "edgebench" not in item.fixturenames:
            item.fixturenames.insert(0, "edgebench")
        if _reports_to_benchmark(item) and "benchmark" not in item.fixturenames:
            item.fixturenames.append("benchmark")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember what the selected tests ask for, so that the first of them measures it for all; connect to devices."""
    from .errors import UsageError

    config = session.config
    if config.option.collectonly:
        return
    devices: dict[str | None, None] = {}
    for item in session.items:
        if item.get_closest_marker(_MARK) is not None:
            try:
                asked = _request(item)
            except UsageError:
                continue  # that test says so itself
            _deferred(config).expect(asked)
            devices[asked.conditions.device] = None
        elif "edgebench" in getattr(item, "fixturenames", ()):
            devices[_defaults(config)["device"]] = None
    if not _is_xdist_worker(config):
        _connect(config, [device for device in devices if device is not None])


def _connect(config: pytest.Config, devices: list[str]) -> None:
    """Connect to devices now: one that is away ends the session with one line, rather than each test with its own."""
    from .errors import EdgebenchError

    try:
        if devices:
            _deferred(config).devices.connect(devices)
        return
    except EdgebenchError as error:
        said = str(error)
    raise pytest.UsageError(said)  # outside of the handler, whose error would be shown as well


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Name the devices in pytest-benchmark's files; of this machine they tell themselves."""
    told = config.stash[_DEFERRED].told_devices() if _DEFERRED in config.stash else {}
    if told:
        machine_info["edgebench_devices"] = told


@pytest.fixture
def edgebench(request: pytest.FixtureRequest) -> Measure:
    """Measure models: ``edgebench("net.tflite", data="folder:photos").case``; without arguments, the marker's model."""
    from .errors import EdgebenchError
    from .testing.marked import make_request

    item, config = request.node, request.config

    def measure(model: Any = None, /, **keywords: Any) -> Measured:
        own = model is None and not keywords
        try:
            asked = _request(item) if own else make_request({"model": model, **keywords}, **_defaults(config))
            return _measure(item, asked)
        except EdgebenchError as error:
            said = str(error)
        pytest.fail(said, pytrace=False)  # outside of the handler, whose error would be shown as well

    if item.get_closest_marker(_MARK) is not None:
        measured = measure()
        if _reports_to_benchmark(item):
            _report(request, measured)
    return measure


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Hold a marked test's model to its limits, after the test's own body."""
    result = yield
    if item.get_closest_marker(_MARK) is not None:
        _judge(item)
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where runs are stored, and show figures where no pytest-benchmark does."""
    if _DEFERRED not in config.stash:
        return
    lines = config.stash[_DEFERRED].summary(figures=not config.pluginmanager.hasplugin("benchmark"))
    if lines:
        terminalreporter.section("edgebench")
        for line in lines:
            terminalreporter.write_line(line)


def _request(item: pytest.Item) -> Request:
    """Return what a marked test asks for. Raises UsageError where its marker is wrong."""
    from .errors import UsageError
    from .testing.marked import make_request

    if _REQUEST not in item.stash:
        given: dict[str, Any] = {}
        for marker in reversed(list(item.iter_markers(_MARK))):  # the closest one has the last word
            if len(marker.args) > 1:
                raise UsageError("edgebench(): takes one model; everything else goes by its name")
            given |= {"model": marker.args[0]} if marker.args else {}
            given |= marker.kwargs
        item.stash[_REQUEST] = make_request(given, **_defaults(item.config))
    return item.stash[_REQUEST]


def _defaults(config: pytest.Config) -> dict[str, str | None]:
    from .testing.devices import session_device

    budget = config.getoption("--edgebench-budget") or config.getini("edgebench_budget")
    return {"budget": budget, "data": config.getini("edgebench_data") or None, "device": session_device(config)}


def _deferred(config: pytest.Config) -> Deferred:
    from .testing.deferred import Deferred
    from .testing.devices import session_devices

    if _DEFERRED not in config.stash:
        out = config.getoption("--edgebench-out")
        devices = session_devices(config)
        config.add_cleanup(devices.close)
        config.stash[_DEFERRED] = Deferred(devices, Path(out) if out else None, timed=not _disabled(config))
    return config.stash[_DEFERRED]


def _is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _disabled(config: pytest.Config) -> bool:
    """Tell whether pytest-benchmark was asked to time nothing."""
    return bool(config.getoption("benchmark_disable", False)) and not config.getoption("benchmark_enable", False)


def _measure(item: pytest.Item, request: Request) -> Measured:
    """Return what was measured. Under xdist other tests would run meanwhile, and be measured with it."""
    from .errors import UsageError

    deferred = _deferred(item.config)
    beside_others = _is_xdist_worker(item.config)
    if beside_others and request.conditions.device is not None:
        raise UsageError(
            "edgebench: xdist runs tests in several processes, and a device is for one of them at a time; run these "
            "tests with -n 0"
        )
    if beside_others and deferred.timed:
        raise UsageError(
            "edgebench: nothing is timed while xdist runs other tests at the same time; run these tests with -n 0, or "
            "with --benchmark-disable to check all but time"
        )
    return deferred.measure(request)


def _reports_to_benchmark(item: pytest.Item) -> bool:
    """Tell whether pytest-benchmark is there and the test does not use its fixture for itself."""
    own = getattr(getattr(item, "_fixtureinfo", None), "argnames", ())
    return item.config.pluginmanager.hasplugin("benchmark") and "benchmark" not in own


def _report(request: pytest.FixtureRequest, measured: Measured) -> None:
    """Replay the samples into pytest-benchmark, where there is one case with samples to replay."""
    from .testing.replay import WorkerClock, replay

    item = request.node
    if len(measured.cases) != 1 or measured.case.failure is not None:
        item.fixturenames.remove("benchmark")
        return
    clock = WorkerClock()
    item.add_marker(pytest.mark.benchmark(timer=clock), append=False)
    replay(request.getfixturevalue("benchmark"), clock, measured)


def _judge(item: pytest.Item) -> None:
    from .analysis.gating import GateOutcome
    from .errors import EdgebenchError
    from .report.gates import gate_message
    from .testing import UndecidedWarning
    from .testing.limits import judge_limits

    judged: tuple[Judgement, ...] = ()
    try:
        asked = _request(item)
        measured = _measure(item, asked)
        broken = [f"{case.case_id}: {case.failure.message}" for case in measured.cases if case.failure is not None]
        judged = () if broken else judge_limits(measured, asked.limits, timed=_deferred(item.config).timed)
    except EdgebenchError as error:
        broken = [str(error)]
    lines = {
        outcome: [f"{one.case_id}: {gate_message(one)}" for one in judged if one.outcome is outcome]
        for outcome in GateOutcome
    }
    undecided = [f"undecided: {line}" for line in lines[GateOutcome.UNDECIDED]]
    strict = (item.config.getoption("--edgebench-undecided") or item.config.getini("edgebench_undecided")) == "fail"
    failing = [*broken, *lines[GateOutcome.FAIL], *(undecided if strict else [])]
    if failing:
        pytest.fail("\n".join(failing), pytrace=False)
    for line in undecided:
        warnings.warn_explicit(line, UndecidedWarning, str(item.path), (item.location[1] or 0) + 1)
