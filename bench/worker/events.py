"""Reading the profiler's events, and the tests that they must pass before anything in them is believed.

A struct of another layout gives plausible-looking numbers. So an answer counts only if the library writes exactly one
of our structs per event, every name lies in mapped memory and is text, every type and source is a known one, and every
time lies inside the run as this process's own clock saw it.
"""

from __future__ import annotations

import ctypes
import time
from bisect import bisect_right
from ctypes import byref, c_int
from typing import Any, Callable, List, NamedTuple, Tuple

from . import capi
from .refusal import Refusal

#: ``tflite::Profiler::EventType``, as far as it matters here.
DEFAULT, OPERATOR, INNER_OPERATOR, DELEGATED_OPERATOR = 1, 2, 4, 8
_KNOWN_TYPES = {1 << bit for bit in range(9)}
_TIMED_TYPES = (DEFAULT, OPERATOR, INNER_OPERATOR, DELEGATED_OPERATOR)
_SOURCES = (0, 1, 2)
_LONGEST_TAG = 1024
_MOST_EVENTS = 1_000_000
_MOST_NODES = 10_000_000
_SLACK_US = 2


class Event(NamedTuple):
    """One event of a run. ``start_us`` is 0 for delegated operators: XNNPACK tells only how long they took.

    Seen on every checked version: ``number`` is the operator's place in its subgraph (for OPERATOR) or in XNNPACK's
    own list for its partition (DELEGATED_OPERATOR), ``subgraph`` the subgraph's number.
    """

    tag: str
    kind: int
    start_us: int
    elapsed_us: int
    number: int
    subgraph: int


class EventReader:
    """Starts and stops a model's profiler around single runs and reads what it recorded."""

    def __init__(self, library: capi.Library, profiler: Any, subgraphs: int, layout: Any = capi.ProfiledEvent) -> None:
        self._library = library
        self._profiler = profiler
        self._subgraphs = subgraphs
        self._layout = layout
        self._size_known = False
        self._mapped = MappedMemory()

    def record(self, run: Callable[[], None]) -> List[Event]:
        """Run once under the profiler and return its events in the order they began.

        Raises:
            Refusal: ``no-profile``, when the events cannot be what this module takes them for.
        """
        self._library.call("LiteRtStartProfiler", self._profiler)
        first_us = time.monotonic_ns() // 1000
        try:
            run()
        finally:
            last_us = time.monotonic_ns() // 1000 + 1
            self._library.call("LiteRtStopProfiler", self._profiler)
        return self._read((first_us, last_us))

    def _read(self, window_us: Tuple[int, int]) -> List[Event]:
        found = c_int()
        self._library.call("LiteRtGetNumProfilerEvents", self._profiler, byref(found))
        count = found.value
        if not 0 < count <= _MOST_EVENTS:
            raise self._refusal("%d events in one run" % count)
        if not self._size_known:
            self._check_size(count)
        events = (self._layout * count)()
        self._library.call("LiteRtGetProfilerEvents", self._profiler, count, events)
        return [self._event(event, window_us) for event in events]

    def _check_size(self, count: int) -> None:
        """Let the library write into bytes of a known pattern, twice, and see how far it wrote."""
        size = ctypes.sizeof(self._layout)
        room = 4 * size * count + 4096
        written = 0
        for pattern in (0x5A, 0xA5):
            buffer = (ctypes.c_ubyte * room)()
            ctypes.memset(buffer, pattern, room)
            self._library.call("LiteRtGetProfilerEvents", self._profiler, count, buffer)
            kept = bytes(buffer).rstrip(bytes([pattern]))
            written = max(written, len(kept))
        # The last bytes are padding that not every build copies.
        padding = size - self._layout.source.offset - self._layout.source.size
        if not size * count - padding <= written <= size * count:
            raise self._refusal("%d events take %d bytes, not %d each" % (count, written, size))
        self._size_known = True

    def _event(self, event: Any, window_us: Tuple[int, int]) -> Event:
        kind, source = int(event.event_type), int(event.source)
        if kind not in _KNOWN_TYPES or source not in _SOURCES:
            raise self._refusal("an event of type %d from source %d" % (kind, source))
        read = Event(
            tag=self._text(int(event.tag)),
            kind=kind,
            start_us=int(event.start_us),
            elapsed_us=int(event.elapsed_us),
            number=int(event.metadata1),
            subgraph=int(event.metadata2),
        )
        if kind in _TIMED_TYPES:
            self._check_times(read, window_us)
        if kind in (OPERATOR, DELEGATED_OPERATOR) and (
            read.number > _MOST_NODES or (self._subgraphs and read.subgraph >= self._subgraphs)
        ):
            raise self._refusal("'%s' is operator %d of subgraph %d" % (read.tag, read.number, read.subgraph))
        return read

    def _check_times(self, event: Event, window_us: Tuple[int, int]) -> None:
        first_us, last_us = window_us
        begun = first_us - _SLACK_US <= event.start_us <= last_us + _SLACK_US
        if event.kind in (INNER_OPERATOR, DELEGATED_OPERATOR):
            begun = begun or event.start_us == 0
        start_us = event.start_us or first_us
        if not begun or start_us + event.elapsed_us > last_us + _SLACK_US:
            raise self._refusal(
                "'%s' from %d for %d us in a run from %d to %d us"
                % (event.tag, event.start_us, event.elapsed_us, first_us, last_us)
            )

    def _text(self, address: int) -> str:
        if not self._mapped.holds(address):
            raise self._refusal("an event's name lies at address %#x, where there is no memory" % address)
        raw = ctypes.cast(address, ctypes.c_char_p).value or b""
        text = raw.decode("utf-8", "replace")
        if not 0 < len(text) <= _LONGEST_TAG or not text.isprintable():
            raise self._refusal("an event has the name %r" % text[:40])
        return text

    def _refusal(self, what: str) -> Refusal:
        return Refusal(
            "no-profile",
            "profile unavailable: ai-edge-litert %s told of %s, so its structs are not those known here; %s"
            % (self._library.version, what, capi.checked_text()),
        )


class MappedMemory:
    """Which addresses of this process can be read, as ``/proc/self/maps`` says."""

    def __init__(self, path: str = "/proc/self/maps") -> None:
        self._path = path
        self._starts: List[int] = []
        self._ends: List[int] = []

    def holds(self, address: int) -> bool:
        """Return whether ``address`` is readable. Where the kernel does not tell, only null is known not to be."""
        if self._inside(address):
            return True
        self._refresh()
        return self._inside(address) if self._starts else address != 0

    def _inside(self, address: int) -> bool:
        place = bisect_right(self._starts, address) - 1
        return place >= 0 and address < self._ends[place]

    def _refresh(self) -> None:
        try:
            with open(self._path, encoding="ascii", errors="replace") as maps:
                lines = [line.split(None, 2)[:2] for line in maps]
        except OSError:
            return
        spans = sorted(
            (int(start, 16), int(end, 16))
            for start, end in (bounds.split("-") for bounds, access in lines if access.startswith("r"))
        )
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]
