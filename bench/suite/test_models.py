"""One test for each model file, engine, delegate and thread count: it runs, and pytest-benchmark shows its times."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.errors import EdgebenchError, ModelError
from edgebench.plan import ModelVariant, find_variants, left_out
from edgebench.records import Engine
from edgebench.spec import parse_choice, parse_delegate, parse_threads
from edgebench.testing import Measure
from edgebench.testing.devices import session_config, session_device
from edgebench.testing.marked import one_device


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case; nothing is loaded into a runtime for that."""
    config = metafunc.config
    if not config.getoption("--models"):
        raise pytest.UsageError("name the models: --models models/net, or --models net.tflite")
    try:
        found = [case for model in config.getoption("--models") for case in _cases(config, model)]
    except EdgebenchError as error:
        raise pytest.UsageError(str(error)) from error
    metafunc.parametrize("case", found)


def _cases(config: pytest.Config, model: str) -> list[object]:
    shared = {name: config.getoption(f"--{name}") for name in ("data", "python", "budget", "blocks", "device")}
    asked = {name: value for name, value in shared.items() if value is not None}
    where = _where(config)
    variants, rejected = _variants(model)
    found: list[object] = [
        _case(error.path, f"{Path(error.path).name}-unreadable", {**asked, "model": error.path}) for error in rejected
    ]
    for item in variants:
        for engine in config.getoption("--engine").split(","):
            for delegate in config.getoption("--delegate").split(","):
                if left_out(parse_choice(Engine, engine, "--engine"), parse_delegate(delegate)) is not None:
                    continue
                for threads in parse_threads(config.getoption("--threads")):
                    how = "" if engine == "interpreter" else f"{engine}-"
                    name = f"{item.model}/{item.variant}{where}-{how}{delegate}-t{threads}"
                    place = f"{item.model}/{item.variant}={item.file.path}"
                    ways = {"engine": engine, "delegate": delegate, "threads": threads}
                    found.append(_case(name, name, {**asked, **ways, "model": place}))
    return found


def _where(config: pytest.Config) -> str:
    """Return what a test's name says of the device: of this machine nothing."""
    device = one_device(config.getoption("--device") or session_device(config))
    if device is None:
        return ""
    from edgebench.config import load_config
    from edgebench.devices.opening import name_of_device

    return f"@{name_of_device(device, load_config(session_config(config)))}"


def _variants(model: str) -> tuple[list[ModelVariant], list[ModelError]]:
    """Return the variants below ``model``, also of a folder of model folders, and what could not be read."""
    path = Path(model)
    nested = sorted({file.parent for file in path.glob("*/*.tflite")}) if path.is_dir() else []
    return find_variants([model] if not nested or any(path.glob("*.tflite")) else [str(folder) for folder in nested])


def _case(value: str, name: str, keywords: dict[str, object]) -> object:
    return pytest.param(value, id=name, marks=pytest.mark.edgebench(**keywords))


def test_model(case: str, edgebench: Measure) -> None:
    """The model loads, answers, and has been measured."""
    if edgebench().case.failure is not None:
        pytest.fail(f"{case}: was not measured")
