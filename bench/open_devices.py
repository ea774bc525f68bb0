"""The devices that a run's ``--device`` texts name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .devices.base import Device
from .devices.local import LocalDevice
from .devices.retry import Waiting
from .errors import UsageError
from .spec import LOCAL

#: From what names a device to the device.
OpenDevice = Callable[[str], Device]


def device_opener(
    purpose: str,
    config: Path | None = None,
    tell: Callable[[str], None] = lambda _line: None,
    cache_bytes: int | None = None,
) -> OpenDevice:
    """Return what opens devices; ``edgebench.toml`` (``config``: another file) is read where it may tell of them.

    ``purpose`` is what others read who find one in use. ``tell`` is given a line when one cannot be reached and is
    tried again. ``cache_bytes`` bounds the files on devices, None for their own settings.

    What it returns raises UsageError where there is no such device, or where it is a phone that was opened by another
    name: nothing can measure twice there at once.
    """
    phones: dict[str, str] = {}

    def opened(text: str) -> Device:
        if text == LOCAL:
            return LocalDevice()
        from .config import load_config
        from .devices.opening import named_phone, open_device

        def on_wait(waiting: Waiting) -> None:
            name = "" if "://" in text and not waiting.known else f"{text}: "  # an address is in the reason
            tell(f"{name}{waiting.line}")

        settings = load_config(config)
        phone = named_phone(text, settings)
        if phone is not None and phones.setdefault(phone, text) != text:
            raise UsageError(f"--device {text}: is the same phone as {phones[phone]}; name it once")
        return open_device(text, settings, purpose=purpose, cache_bytes=cache_bytes, on_wait=on_wait)

    return opened


@contextmanager
def opened_devices(texts: Sequence[str], open_device: OpenDevice) -> Iterator[Sequence[Device]]:
    """Give the devices that texts name, and end the connections to them afterwards.

    Raises:
        UsageError: there is no such device.
    """
    with ExitStack() as stack:
        found = []
        for text in texts:
            device = open_device(text)
            stack.callback(device.close)
            found.append(device)
        yield found
        for device in found:
            device.tidy()
