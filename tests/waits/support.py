"""A case on the fake device, ready to be waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.evaluation import Evaluator
from edgebench.launch import Launcher
from edgebench.outcome import Outcome
from edgebench.records import Settings, Wait
from edgebench.spec import WaitSpec
from edgebench.waits.context import WaitContext
from fake_runs import ONE_BLOCK, build

SECOND = 1_000_000_000


def waiting(
    folder: Path,
    model: FakeModel,
    device: FakeDevice | None = None,
    *,
    settings: Settings = ONE_BLOCK,
    evaluator: Evaluator | None = None,
    **spec: Any,
) -> tuple[WaitContext, Outcome, FakeDevice]:
    """Return a context, one case whose file is called ``one``, and the device; with an evaluator it has been run."""
    device = device or FakeDevice({"one": model})
    runner, device = build(folder, {"one": model}, settings, device=device, evaluator=evaluator, **spec)
    if evaluator is not None:
        runner.run()
        device.log.clear()
    launcher = Launcher(device, settings.timeout_s)
    return WaitContext(device, launcher, settings, WaitSpec(tuple(Wait)), evaluator), runner.outcomes[0], device
