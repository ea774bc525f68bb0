"""What a device that is not this machine is reached through: a way to run programs there and to talk to them.

SSH is one such way, Android's debug bridge another. Everything else about such a device is :mod:`.remote`'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finished:
    """How a program ended there. ``status`` is its exit code, 128 and more where a signal ended it."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def last_words(self) -> str:
        """The last line that it wrote on stderr, else on stdout; empty where it wrote nothing."""
        for stream in (self.stderr, self.stdout):
            lines = [line.strip() for line in stream.decode("utf-8", "replace").splitlines() if line.strip()]
            if lines:
                return lines[-1][:200]
        return ""


class Stream(ABC):
    """The standard streams of a program that runs there."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes to its standard input; block while the way there is full.

        Raises:
            DeviceLost: the connection is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Close its input and forget it. May be called twice, and whatever state the connection is in."""


#: Called with what a program wrote on its standard output, in another thread; None once, when nothing more will come.
OnOutput = Callable[[bytes | None], None]


class Transport(ABC):
    """A connection to one device. Commands are lists; an implementation quotes each word for the shell there.

    ``address`` is what a person calls the other end, such as ``pi@raspberrypi.local:22``.
    """

    address: str

    @abstractmethod
    def run(self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Finished:
        """Run a program there with ``given`` as its standard input, and wait for its end.

        Raises:
            DeviceLost: the connection was lost, or there was no answer in time.
            DeviceRefused: programs cannot be run there at all.
        """

    @abstractmethod
    def open(self, command: Sequence[str], on_output: OnOutput) -> Stream:
        """Start a program there and return its streams; what it writes on its standard error is dropped.

        Raises:
            DeviceLost, DeviceRefused: as :meth:`run`.
        """

    @abstractmethod
    def close(self) -> None:
        """End the connection. May be called twice."""
