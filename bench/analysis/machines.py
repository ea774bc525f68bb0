"""Which machine a case ran on: a run of several devices has one for each."""

from __future__ import annotations

from collections.abc import Mapping

from ..records import Environment, RunRecord

#: What tells machines apart: architecture, CPU model and host name.
Host = tuple[str, str | None, str]


def environments(record: RunRecord) -> Mapping[str, Environment]:
    """Return what each device of the run is, by name, in the order of the cases.

    Records from before devices were described had one device, and its environment is the run's.
    """
    known = {device.name: device.environment for device in record.devices}
    return {case.device: known.get(case.device, record.environment) for case in record.cases}


def host_of(environment: Environment) -> Host:
    """Return what tells a machine from others."""
    return environment.machine, environment.cpu_model, environment.hostname


def hosts_of(record: RunRecord) -> Mapping[str, Host]:
    """Return what tells each device of the run from others, by name."""
    return {name: host_of(environment) for name, environment in environments(record).items()}
