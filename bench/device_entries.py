"""One device's journal entries: written down as they come, and kept to go back to when its connection is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from .journal import Entry, entry_text

#: Entries after which a lost connection costs less than before.
_STEPS = frozenset({"case", "block", "timing", "done"})


class DeviceEntries:
    """The entries of one device so far. ``steps`` counts those that say that something is finished."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._texts: list[str] = []
        self._write: Callable[[Entry], None] | None = None
        self.steps = 0

    def append(self, entry: Entry) -> None:
        """Keep an entry as this device's, and write it where entries are written."""
        own = {**entry, "device": self._device}
        self._keep(own)
        if self._write is not None:
            self._write(own)

    def write_to(self, write: Callable[[Entry], None]) -> None:
        """From now on pass entries on to ``write`` as well."""
        self._write = write

    def take(self, entries: Iterable[Entry]) -> None:
        """Keep those of a run's entries, as they stand in its journal, that are about this device, or all devices."""
        for entry in entries:
            if entry.get("device") in (None, self._device):
                self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        self._texts.append(entry_text(entry))
        self.steps += entry.get("kind") in _STEPS

    def __iter__(self) -> Iterator[Entry]:
        """Yield them as a journal gives them back."""
        for text in self._texts:
            yield json.loads(text)
