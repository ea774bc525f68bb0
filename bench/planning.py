"""Planning a run on its devices, also on one that cannot be reached."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import replace

from .benchmark_model.planning import planned_there
from .conditions import check_conditions
from .device_run import DevicePlan
from .devices.base import Device
from .entries import Header, PlannedDevice
from .errors import DeviceError, DeviceLost, EdgebenchError, StoreError, UsageError, told_again
from .plan import make_plan
from .records import RuntimeInfo
from .runner import probe_runtime
from .side_by_side import at_once
from .spec import PythonTarget, Spec
from .unfinished import check_devices, check_machine, check_plan, planned_cases
from .watching import Watch

#: What ids call the runtime of a device that did not answer.
_UNKNOWN = "unknown"


def plan_devices(spec: Spec, devices: Sequence[Device]) -> list[DevicePlan]:
    """Return the plan of each device, all of which are asked at the same time.

    Those that cannot be reached are planned by guess, unless none can.

    Raises:
        UsageError, ModelError: nothing could run, or nothing on one of them.
        DeviceError: no device could be reached.
    """
    _refuse_namesakes(devices)
    found = at_once([functools.partial(plan_device, spec, device) for device in devices])
    for result in found:
        if isinstance(result, EdgebenchError) and not isinstance(result, DeviceError):
            raise result
    refusals = [result for result in found if isinstance(result, DeviceError)]
    if len(refusals) == len(found):
        raise unreachable(refusals)
    return [
        plan_without(spec, device, None, result) if isinstance(result, DeviceError) else result
        for device, result in zip(devices, found, strict=True)
        if isinstance(result, (DevicePlan, DeviceError))
    ]


def plan_again(header: Header, devices: Sequence[Device], done: Collection[str]) -> list[DevicePlan]:
    """Return the plan of each device of a run that goes on; those that are ``done`` are not asked.

    Raises:
        StoreError: something that was measured, or on which, has changed.
        UsageError, ModelError: a model is gone.
        DeviceError: no device can be reached on which anything is left to measure.
    """
    check_devices(header, [device.name for device in devices])
    spec, pairs = header.spec, list(zip(header.devices, devices, strict=True))

    def plan(then: PlannedDevice, device: Device) -> DevicePlan:
        if then.name in done:
            return plan_without(spec, device, then)
        check_machine(then, device.environment())
        return plan_device(spec, device)

    found = at_once([functools.partial(plan, then, device) for then, device in pairs])
    refusals = [result for result in found if isinstance(result, DeviceError)]
    if refusals and len(refusals) == len(found) - len(done):
        raise unreachable(refusals)
    plans = []
    for (then, device), result in zip(pairs, found, strict=True):
        if isinstance(result, DeviceError):
            result = plan_without(spec, device, then, result)
        elif isinstance(result, EdgebenchError):
            raise result
        check_plan(then, planned_cases(result.plan), result.runtimes)
        plans.append(result)
    return plans


def plan_device(spec: Spec, device: Device) -> DevicePlan:
    """Connect to a device and return what is to be measured there.

    Raises:
        UsageError, ModelError: nothing could run.
        DeviceError: it cannot be reached.
    """
    runtimes: dict[str, RuntimeInfo] = {}

    def probe(python: PythonTarget) -> RuntimeInfo:
        found = probe_runtime(device, python, spec.runtime, spec.settings.timeout_s)
        return runtimes.setdefault(python.path, found)

    earlier = device.transfers()  # of a device that several runs share; else it is not connected to yet
    official = planned_there(spec_there(spec, device), device)
    there, python = official.spec, device.default_python()
    watch = Watch(device, earlier)
    plan = replace(make_plan(there, device.name, python, probe), notes=official.notes)
    check_conditions(official.by_workers, device)
    return DevicePlan(device, watch, plan, device.environment(), {**runtimes, **official.runtimes})


def plan_without(
    spec: Spec, device: Device, then: PlannedDevice | None, refusal: DeviceError | None = None
) -> DevicePlan:
    """Return what is to be measured on a device without asking it; ``then`` is what it told before, if it ever did.

    Raises:
        StoreError: it was told of no Python that is asked for.
        UsageError, ModelError: nothing could run.
    """
    known = then is not None and then.environment is not None
    runtimes = dict(then.runtimes) if then is not None and known else {}
    guessed: dict[str, RuntimeInfo] = {}

    def remembered(python: PythonTarget) -> RuntimeInfo:
        if not known:
            return guessed.setdefault(python.path, _guess(spec, len(guessed)))
        if python.path not in runtimes:
            raise StoreError(f"{python.path} is another Python than then")
        return runtimes[python.path]

    official = planned_there(spec_there(spec, device), device, ask=False)
    plan = make_plan(official.spec, device.name, next(iter(runtimes), ""), remembered)
    environment = then.environment if then is not None else None
    return DevicePlan(device, Watch(device), plan, environment, runtimes, refusal)


def unreachable(refusals: Sequence[DeviceError]) -> DeviceError:
    """Return the error for devices of which none can be reached."""
    if len(refusals) == 1:
        return refusals[0]
    # To try again may help with those that were lost.
    first = next((refusal for refusal in refusals if isinstance(refusal, DeviceLost)), refusals[0])
    return told_again(first, "; ".join(str(refusal) for refusal in refusals))


def spec_there(spec: Spec, device: Device) -> Spec:
    """Return the Spec with the Pythons as they are called on the device."""
    return replace(spec, pythons=tuple(PythonTarget(device.resolve_python(one.path), one.name) for one in spec.pythons))


def _guess(spec: Spec, number: int) -> RuntimeInfo:
    """Return a runtime that nobody has seen. Two Pythons have two of them, so that their cases do not share an id."""
    name = spec.runtime or (_UNKNOWN if not number else f"{_UNKNOWN}-{number + 1}")
    return RuntimeInfo(name, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN)


def _refuse_namesakes(devices: Sequence[Device]) -> None:
    names = [device.name for device in devices]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--device: two devices are called {name}; give them names of their own in edgebench.toml")
