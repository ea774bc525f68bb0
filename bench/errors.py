"""Every error that edgebench raises on purpose.

The tree::

    EdgebenchError                  anything we can explain to a person in one line
    ├── UsageError                  a flag or argument is wrong; nothing ran             exit code 2
    ├── InputError                  a file or data set is wrong; nothing ran             exit code 2
    │   ├── ModelError              a .tflite file that cannot be measured
    │   ├── DataError               images, labels or metadata that do not fit
    │   │   └── ScoreError          a model's scores that cannot be judged: becomes that case's result
    │   └── StoreError              a stored run that cannot be read or written
    ├── TrainingError               a training or an export that began and could not go on   exit code 3
    ├── DeviceError                 a board or phone that cannot be measured on            exit code 3
    │   ├── DeviceRefused           it says no and will again: wrong key, no Python, in use ...
    │   │   ├── DeviceUnknown       no machine has that name
    │   │   └── NoPython            it has no Python that runs our helper program; some things go without
    │   └── DeviceLost              the way there is cut, or not there yet: tried again, with a bound
    ├── WaitUnavailable             a wait that cannot be measured for a case: becomes the reason why it is absent
    └── WorkerError                 the measuring process failed: becomes that case's result, exit code 3
        ├── RuntimeRefused          the runtime said no (unsupported operator, cannot allocate ...)
        ├── WorkerDied              the process ended by itself or by a signal
        ├── WorkerTimeout           no answer within the time limit
        ├── MemoryExceeded          it held more memory than it was allowed
        └── ProtocolError           an answer that is not in our protocol

A message is one line, says what is wrong with what, and what to do about it.
"""

from __future__ import annotations

import math


class EdgebenchError(Exception):
    """Base of the tree. ``str(error)`` is the one line shown to a person."""

    exit_code = 2
    code = "error"


class UsageError(EdgebenchError):
    """A flag or argument is wrong. Nothing ran."""

    code = "usage"


class InputError(EdgebenchError):
    """A file or data set is wrong. Nothing ran."""

    code = "input"


class ModelError(InputError):
    """A model file that cannot be measured. ``path`` is the file or folder it is about."""

    code = "model"

    def __init__(self, message: str, path: object = "") -> None:
        super().__init__(message)
        self.path = str(path)


class DataError(InputError):
    """Images, labels or metadata that do not fit."""

    code = "data"


class ScoreError(DataError):
    """Scores that cannot be judged, for instance NaN. The runner turns this into that case's result."""

    exit_code = 3
    code = "bad-scores"


class StoreError(InputError):
    """A stored run that cannot be read or written. ``run`` is what was measured and could not be stored, if any."""

    code = "store"

    def __init__(self, message: str, run: object = None) -> None:
        super().__init__(message)
        self.run = run


class TrainingError(EdgebenchError):
    """A training or an export began and could not go on: NaN loss, a full disk, nothing that converts."""

    exit_code = 3
    code = "training"


class DeviceError(EdgebenchError):
    """A board or phone that cannot be measured on. What was measured there before is kept."""

    exit_code = 3
    code = "device"


class DeviceRefused(DeviceError):
    """The device says no, and would say so again: a wrong key, no Python, another run on it."""

    code = "device-refused"


class DeviceUnknown(DeviceRefused):
    """No machine has that name. Of a device that was there before it means that it has not booted yet."""

    code = "device-unknown"


class NoPython(DeviceRefused):
    """The device has no Python that runs our helper program. What a shell can do goes without."""

    code = "no-python"


class DeviceLost(DeviceError):
    """The way to the device is cut, or not there yet. To try again may help."""

    code = "device-lost"


def told_again(error: DeviceError, line: str) -> DeviceError:
    """Return an error of the same kind that says more."""
    for kind in (DeviceLost, DeviceRefused):
        if isinstance(error, kind):
            return kind(line)
    return DeviceError(line)


class WaitUnavailable(EdgebenchError):
    """What a user waits for in one way cannot be measured for a case. The record keeps the reason; the case goes on."""

    exit_code = 3
    code = "wait-unavailable"


class WorkerError(EdgebenchError):
    """The measuring process failed. The runner turns this into that case's result."""

    exit_code = 3
    code = "worker"


class RuntimeRefused(WorkerError):
    """The runtime could not load, allocate or run the model, in its own words."""

    code = "runtime-refused"

    def __init__(self, message: str, code: str = "runtime-refused") -> None:
        super().__init__(message)
        self.code = code


class WorkerDied(WorkerError):
    """The worker process ended without answering."""

    code = "worker-died"


class WorkerTimeout(WorkerError):
    """The worker did not answer within the time limit and was killed."""

    code = "timeout"


class MemoryExceeded(WorkerError):
    """The worker's resident memory exceeded ``limit_bytes``, and it was killed."""

    code = "memory-limit"

    def __init__(self, used_bytes: int, limit_bytes: int, command: str) -> None:
        self.limit_bytes = limit_bytes
        used, limit = math.ceil(used_bytes / 1e6), limit_bytes / 1e6
        super().__init__(
            f"used {used} MB, more than --memory-limit {limit:.10g} MB, during '{command}'; the worker was killed"
        )


class ProtocolError(WorkerError):
    """The worker wrote something that is not an answer."""

    code = "protocol"
