"""What a run asks of its device beside running workers: CPUs to pin them to, coolness, and a governor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from .analysis.cooling import cooling_facts, degrees, limit_words, status_words, waited_words
from .cooling import Cooler, is_asked_for
from .devices.base import Device
from .errors import DeviceRefused, RuntimeRefused, UsageError, WorkerError
from .outcome import Outcome
from .progress import Progress
from .records import Conditions, GovernorChange, Settings
from .session import Session
from .spec import Spec
from .worker.affinity import cpu_list


def check_conditions(spec: Spec, device: Device) -> tuple[str, ...]:
    """Return what a run will see to, one line each.

    Raises:
        UsageError: the device has no such CPUs, or tells no temperature.
    """
    return (*_cpu_lines(spec, device), *_cool_lines(spec.settings, device), *_governor_lines(spec.settings))


def _cpu_lines(spec: Spec, device: Device) -> list[str]:
    if not spec.cpus:
        return []
    python = spec.pythons[0].path if spec.pythons else device.default_python()
    found = []
    try:
        with Session(device.start_worker(python), spec.settings.timeout_s) as session:
            for choice in spec.cpus:
                numbers = cpu_list(session.find_cpus(choice))
                found.append(f"CPUs {choice}" if numbers == choice else f"CPUs {choice}: {numbers}")
    except RuntimeRefused as refusal:
        raise UsageError(str(refusal)) from refusal
    except WorkerError as error:
        raise UsageError(f"{python}: {error}") from error
    return found


def _cool_lines(settings: Settings, device: Device) -> list[str]:
    if not is_asked_for(settings):
        return []
    now, limit = Cooler(device, settings, Progress()).look(), settings.cool_to_status
    if limit is not None and now.status is None:
        raise UsageError(f"--cool-to: {device.name} tells no thermal status: {now.unread_status}; leave --cool-to out")
    if limit is None and now.celsius is None:
        raise UsageError(f"--cool-to: {device.name} tells no temperature: {now.unread}; leave --cool-to out")
    seen = status_words(now.status) if limit else f"{degrees(now.celsius or 0)}, by {', '.join(now.zones)}"
    patience = waited_words(round(settings.cool_timeout_s * 1e9))
    return [
        f"cool to {limit_words(settings.cool_to_celsius, limit)} before each block (now {seen}): "
        f"at most {patience} each time, which is not counted in any time here nor in --budget"
    ]


def _governor_lines(settings: Settings) -> list[str]:
    if settings.governor is None:
        return []
    return [f"governor {settings.governor} on all CPUs while it measures; what was set before is put back"]


class DeviceConditions:
    """Sees to the conditions of one run on one device.

    ``governor`` is what was set, None where nothing was asked; ``notes`` what went wrong with that, now or before.
    """

    def __init__(self, device: Device, settings: Settings, progress: Progress) -> None:
        self._device = device
        self._settings = settings
        self._progress = progress
        self.governor: GovernorChange | None = None
        self.notes: tuple[str, ...] = ()

    @property
    def cooler(self) -> Cooler | None:
        """What waits before each block, None where nobody asked for it."""
        return Cooler(self._device, self._settings, self._progress) if is_asked_for(self._settings) else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Set the governor meanwhile, where one was asked for.

        Raises:
            UsageError: it cannot be set.
        """
        self.notes = (*self.notes, *self._device.recover())  # a run goes on here after a lost connection, too
        with ExitStack() as stack:
            if self._settings.governor is not None:
                try:
                    self.governor = stack.enter_context(self._device.set_governor(self._settings.governor))
                except DeviceRefused as refusal:
                    raise UsageError(f"--set-governor {self._settings.governor}: {refusal}") from refusal
            try:
                yield
            finally:
                try:
                    stack.close()
                except DeviceRefused as refusal:  # what was measured is worth keeping, whatever became of this
                    self.notes = (*self.notes, str(refusal))

    def facts(self, outcomes: Iterable[Outcome]) -> tuple[Conditions, ...]:
        """Return what the record shall say, nothing where nothing was asked for."""
        blocks = {block: cooling for outcome in outcomes for block, cooling in outcome.coolings.items()}
        cooling = cooling_facts(blocks[block] for block in sorted(blocks))
        if cooling is None and self.governor is None:
            return ()
        return (Conditions(self._device.name, self.governor, cooling),)
