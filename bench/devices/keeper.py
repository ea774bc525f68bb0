"""The controller's end of a keeper (:mod:`edgebench.worker.keeper`): questions, files, and links to its workers."""

from __future__ import annotations

import itertools
import json
import os
import queue
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DeviceLost, DeviceRefused, MemoryExceeded, ProtocolError, RuntimeRefused, WorkerDied, WorkerTimeout
from ..worker.keeper_wire import MARK, Message, Unframer, frame
from .base import WorkerLink
from .process import WATCHED, how_it_ended, telling_line
from .transport import Stream

#: What a login shell may print before the keeper speaks.
_MAX_NOISE_BYTES = 1 << 20
#: Far less than the keeper's patience, which also bounds how long a lost connection goes unnoticed by it.
PING_S = 15.0
#: A keeper is a Python without anything heavy: seconds on the slowest board.
START_S = 60.0
#: Who stops a run does not wait for a device that does not answer.
_ABORT_S = 2.0
#: Smaller pieces halve what a fast network carries, larger ones gain nothing.
_CHUNK_BYTES = 1 << 20
#: Chunks between two looks whether the disk there still takes them.
_CHUNKS_A_LOOK = 8


@dataclass
class Sent:
    """Bytes that went to a device, and those of files that were there already."""

    sent_bytes: int = 0
    reused_bytes: int = 0


class KeeperClient:
    """Talks to one keeper over a stream. Methods may be called from several threads."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stream: Stream | None = None
        self._unframer = Unframer()
        self._noise: bytearray | None = bytearray()
        self._begun = threading.Event()
        self._fatal: str | None = None
        self._ids = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[Message | None]] = {}
        self._links: dict[int, KeeperLink] = {}
        self._writing = threading.Lock()
        self._sending_file = threading.Lock()
        self._table = threading.Lock()
        self._lost = False
        self._closing = threading.Event()
        self.sent = Sent()

    def start(self, open_stream: Callable[[Callable[[bytes | None], None]], Stream]) -> None:
        """Start the keeper and wait until it speaks.

        Raises:
            DeviceRefused: it did not start, or says why it cannot.
            DeviceLost: the connection went while it started.
        """
        self._stream = open_stream(self._on_output)
        if not self._begun.wait(START_S):
            raise DeviceLost(f"{self._address}: the helper program did not start within {START_S:g} s")
        if self._noise is not None:
            raise NotStarted(self._address)
        threading.Thread(target=self._keep_alive, name="keeper-ping", daemon=True).start()

    def ask(self, command: str, timeout_s: float = 60.0, **fields: Any) -> dict[str, Any]:
        """Send a command and block until its answer.

        Returns:
            The answer's fields.

        Raises:
            DeviceRefused: it says no; the line names the device.
            DeviceLost: there was no answer.
        """
        number = next(self._ids)
        box: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        with self._table:
            self._answers[number] = box
        try:
            self._write({"cmd": command, "id": number, **fields})
            answer = box.get(timeout=timeout_s)
        except queue.Empty:
            raise DeviceLost(f"{self._address}: no answer to '{command}' within {timeout_s:g} s") from None
        finally:
            with self._table:
                self._answers.pop(number, None)
        if answer is None:
            raise self._gone()
        if not answer.get("ok"):
            raise Refused(f"{self._address}: {answer.get('message', 'no reason given')}", str(answer.get("code")))
        return {key: value for key, value in answer.items() if key not in ("ok", "id")}

    def push(self, path: Path, sha256: str, on_sent: Callable[[int, int], None] | None = None) -> str:
        """Send a file, or the rest of it, unless it is there already; return its path there.

        ``on_sent(bytes, of)`` hears how far it is.

        Raises:
            DeviceRefused: the disk there is full or broken, or the file arrived damaged twice.
            DeviceLost: the connection went; what arrived stays, and the next time goes on with it.
            OSError: the file cannot be read here.
        """
        with self._sending_file:
            try:
                return self._push(path, sha256, on_sent)
            except Refused as refusal:
                if refusal.reason != "corrupt":
                    raise
                return self._push(path, sha256, on_sent)

    def start_worker(self, python: str, timeout_s: float = 60.0) -> KeeperLink:
        """Start a worker there and return its link.

        Raises:
            WorkerDied: there is no such Python.
            DeviceLost: the connection went.
        """
        try:
            answer = self.ask("start_worker", timeout_s, python=python)
        except Refused as refusal:
            raise WorkerDied(str(refusal)) from refusal
        return self._links[int(answer["worker"])]

    def close(self) -> None:
        """End the keeper, and with it all that it keeps. May be called twice."""
        self._closing.set()
        if self._stream is not None:
            self._stream.close()
        self._lose()

    def forget(self, number: int) -> None:
        """Drop the link of a worker that has ended."""
        with self._table:
            self._links.pop(number, None)

    def send_to(self, number: int, line: bytes, *, watched: bool) -> None:
        """Pass a request to a worker."""
        self._write({"to": number, "watched": watched}, line)

    def _push(self, path: Path, sha256: str, on_sent: Callable[[int, int], None] | None) -> str:
        size = path.stat().st_size
        # It hashes what it has of the file: a small board does some 50 MB a second.
        begun = self.ask("begin_file", 60.0 + size / 5e6, sha256=sha256, size_bytes=size)
        if "path" in begun:
            self.sent.reused_bytes += size
            return str(begun["path"])
        have = int(begun["have_bytes"])
        self.sent.reused_bytes += have
        with path.open("rb") as file:
            file.seek(have)
            for count in itertools.count(1):
                data = file.read(_CHUNK_BYTES)
                if not data:
                    break
                self._write({"cmd": "chunk"}, data)
                have += len(data)
                self.sent.sent_bytes += len(data)
                if count % _CHUNKS_A_LOOK == 0:
                    self.ask("file_trouble", 600.0)
                if on_sent is not None:
                    on_sent(have, size)
        return str(self.ask("end_file", 600.0)["path"])

    def _write(self, head: Message, payload: bytes = b"") -> None:
        with self._writing:
            if self._lost or self._stream is None:
                raise self._gone()
            self._stream.write(frame(head, payload))

    def _on_output(self, data: bytes | None) -> None:
        if data is None:
            self._lose()
            return
        if self._noise is not None:
            self._noise += data
            place = self._noise.find(MARK)
            if place < 0:
                if len(self._noise) > _MAX_NOISE_BYTES:
                    self._lose()
                return
            data, self._noise = bytes(self._noise[place + len(MARK) :]), None
        try:
            messages = self._unframer.feed(data)
        except ValueError:
            self._lose()
            return
        for head, payload in messages:
            self._deliver(head, payload)
        self._begun.set()

    def _deliver(self, head: Message, payload: bytes) -> None:
        if "fatal" in head:
            self._fatal = str(head["fatal"])
        elif "id" in head:
            if head.get("ok") and "worker" in head:  # before the answer: its output may be the next message
                number = int(head["worker"])
                with self._table:
                    self._links[number] = KeeperLink(self, number, self._address)
            box = self._answers.get(int(head["id"]))
            if box is not None:
                box.put(head)
        elif "worker" in head:
            link = self._links.get(int(head["worker"]))
            if link is not None:
                link.hear(head, payload)

    def _lose(self) -> None:
        with self._table:
            self._lost = True
            boxes, links = list(self._answers.values()), list(self._links.values())
        for box in boxes:
            box.put(None)
        for link in links:
            link.lose()
        self._begun.set()

    def _gone(self) -> DeviceLost | DeviceRefused:
        if self._fatal is not None:
            return DeviceRefused(f"{self._address}: {self._fatal}")
        return DeviceLost(f"{self._address}: the connection was lost")

    def _keep_alive(self) -> None:
        while not self._closing.wait(PING_S):
            try:
                self.ask("ping", 4 * PING_S)
            except (DeviceLost, DeviceRefused):
                # One that is busy for longer answers later, and must hear from us then; one that is gone never does.
                if self._lost:
                    return


class Refused(DeviceRefused):
    """The keeper said no; ``reason`` is its code."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotStarted(DeviceRefused):
    """The helper program ended before it spoke. The caller finds out why."""


class KeeperLink(WorkerLink):
    """A worker of a keeper."""

    def __init__(self, keeper: KeeperClient, number: int, address: str) -> None:
        self._keeper = keeper
        self._number = number
        self._address = address
        self._lines: deque[bytes] = deque()
        self._rest = bytearray()
        self._ended: Message | None = None
        self._lost = False
        self._closed = False
        self._limit_bytes: int | None = None
        # One byte for each line and one for the end: whoever waits for several workers can select on it.
        self._bell, self._rings = os.pipe()
        self._ringing = threading.Lock()

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        self.send(command, **fields)
        return self.receive(command, timeout_s)

    def send(self, command: str, **fields: Any) -> None:
        if self._closed:
            raise WorkerDied(f"the worker was closed before '{command}'")
        line = json.dumps({"cmd": command, **fields}).encode() + b"\n"
        self._keeper.send_to(self._number, line, watched=command in WATCHED and self._limit_bytes is not None)

    def receive(self, command: str, timeout_s: float) -> dict[str, Any]:
        answer = self._parse(self._line(command, timeout_s))
        if not answer.get("ok"):
            raise RuntimeRefused(str(answer.get("message", "no reason given")), str(answer.get("code", "refused")))
        return answer

    def answer_pipe(self) -> int | None:
        return self._bell

    def limit_memory(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._keeper.ask("limit_worker", worker=self._number, limit_bytes=limit_bytes)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(DeviceLost, DeviceRefused):
            if self._ended is None and not self._lost:
                self._keeper.ask("close_worker", worker=self._number)
        self._keeper.forget(self._number)
        with self._ringing:
            bell, rings = self._bell, self._rings
            self._bell = self._rings = -1
        os.close(bell)
        os.close(rings)

    def abort(self) -> None:
        with suppress(DeviceLost, DeviceRefused):
            self._keeper.ask("kill_worker", _ABORT_S, worker=self._number)

    def hear(self, head: Message, payload: bytes) -> None:
        """Take what the worker wrote, or that it ended. Called in the connection's thread."""
        if head.get("ended"):
            self._ended = head
            self._ring()
            return
        self._rest += payload
        *lines, rest = bytes(self._rest).split(b"\n") if b"\n" in payload else [bytes(self._rest)]
        self._rest = bytearray(rest)
        for line in lines:
            self._lines.append(line)
            self._ring()

    def lose(self) -> None:
        """The connection is gone. Called in the connection's thread."""
        self._lost = True
        self._ring()

    def _ring(self) -> None:
        with self._ringing:  # another file may have the descriptor's number once it is closed
            if self._rings >= 0:
                os.write(self._rings, b"\n")

    def _line(self, command: str, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            while True:
                if not self._lines and self._lost:
                    raise DeviceLost(f"{self._address}: the connection was lost during '{command}'")
                if not self._lines and self._ended is not None:
                    raise self._death(command, self._ended)
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self._keeper.ask("kill_worker", worker=self._number)
                    raise WorkerTimeout(f"no answer to '{command}' within {timeout_s:g} s: the worker was killed")
                os.read(self._bell, 1)
                if self._lines:
                    return self._lines.popleft()

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self._keeper.ask("kill_worker", worker=self._number)
            raise ProtocolError(f"the worker wrote garbage instead of an answer: {line[:80]!r}")
        return answer

    def _death(self, command: str, ended: Message) -> WorkerDied | MemoryExceeded:
        if "used_bytes" in ended and self._limit_bytes is not None:
            return MemoryExceeded(int(ended["used_bytes"]), self._limit_bytes, command)
        words = telling_line(str(ended.get("words", "")))
        tail = f": {words}" if words else ""
        return WorkerDied(f"the worker {how_it_ended(ended.get('status'))} during '{command}'{tail}")
