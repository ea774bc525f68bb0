"""What a plan needs of engine benchmark_model: devices that it runs on, its binary, and what it leaves out there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..devices.base import Device
from ..errors import UsageError
from ..records import Engine, RuntimeInfo, Settings
from . import limits

if TYPE_CHECKING:
    from ..cooling import Cooler
    from ..plan import Plan
    from ..spec import Spec
    from ..stopping import Stop
    from .meter import BenchmarkModelMeter


@dataclass(frozen=True)
class Official:
    """A Spec as a device can measure it; ``by_workers`` is what workers there have to see to; ``notes`` tell people.

    ``runtimes`` has the tool's binary as a run remembers runtimes, by their Python's path, which this one has not.
    """

    spec: Spec
    by_workers: Spec
    notes: tuple[str, ...] = ()
    runtimes: Mapping[str, RuntimeInfo] = field(default_factory=dict)


@contextmanager
def used_by(spec: Spec, devices: Sequence[Device]) -> Iterator[Sequence[Device]]:
    """Give devices as a Spec's engines use them: without Python where only the official tool runs models.

    Raises:
        UsageError: the tool's binary is named, and is none; no device is asked for that.
    """
    if spec.benchmark_model is not None:
        from .binary import local_binary

        local_binary(spec.benchmark_model)
    if not limits.is_alone(spec):
        yield devices
        return
    from .meter import meter_device

    with ExitStack() as stack:
        found: list[Device] = []
        for device in devices:
            used = meter_device(device)
            if used is not None and used is not device:
                stack.callback(used.release)
            found.append(used or device)
        yield found


def planned_there(spec: Spec, device: Device, *, ask: bool = True) -> Official:
    """Return what of a Spec can be measured on a device; unless ``ask`` is false, see that the tool is there.

    Raises:
        UsageError: the tool is the only engine and cannot run there, there is no binary, or there are no such CPUs.
        DeviceError: the device cannot be reached.
    """
    if Engine.BENCHMARK_MODEL not in spec.engines:
        return Official(spec, spec)
    from .binary import Binary, binary_place, check_fits, local_binary, local_version
    from .meter import cpus_there, meter_device

    there = meter_device(device)
    if there is None:
        if limits.is_alone(spec):
            raise UsageError(f"{device.name}: {limits.NO_TRANSPORT}")
        others = replace(spec, engines=tuple(item for item in spec.engines if item is not Engine.BENCHMARK_MODEL),
                         benchmark_model=None)  # fmt: skip
        return Official(others, others, (f"{limits.NO_TRANSPORT.split(';')[0]}: those cases were left out",))
    runtimes: dict[str, RuntimeInfo] = {}
    if ask:
        machine = there.environment().machine
        if spec.benchmark_model is None:
            binary = binary_place(there, None)
        else:
            path = local_binary(spec.benchmark_model)
            check_fits(path, machine)
            binary = Binary(str(path), local_version(path))
        runtimes[""] = binary.runtime(machine)
        for choice in spec.cpus:
            cpus_there(there, choice)
    return Official(spec, replace(spec, cpus=()) if limits.is_alone(spec) else spec, runtimes=runtimes)


def official_meter(
    device: Device,
    plan: Plan,
    settings: Settings,
    binary: str | None,
    *,
    profile: bool,
    stop: Stop | None,
    cooler: Cooler | None = None,
) -> BenchmarkModelMeter | None:
    """Return what measures the plan's cases of engine benchmark_model, None where it has none."""
    if not any(case.engine is Engine.BENCHMARK_MODEL for case in plan.cases):
        return None
    from .binary import local_binary
    from .meter import BenchmarkModelMeter, meter_device

    there = meter_device(device)
    if there is None:
        raise UsageError(f"{device.name}: {limits.NO_TRANSPORT}")
    named = None if binary is None else local_binary(binary)
    return BenchmarkModelMeter(there, settings, named, profile=profile, stop=stop, cooler=cooler)
