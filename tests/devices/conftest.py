"""The SSH servers that tests of boards talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .board import BOARD_VARIABLE, Board, Kind, find_image
from .native_sshd import SSHD_VARIABLE, NativeSshd, find_sshd
from .ssh_client import connect_ssh, ssh_home  # noqa: F401 - fixtures
from .ssh_host import has_client


def _require_openssh() -> None:
    if find_sshd() is None or not has_client():
        pytest.skip(f"no OpenSSH here: install its server and client, or set {SSHD_VARIABLE} to a server")


@pytest.fixture(scope="session")
def sshd() -> Iterator[NativeSshd]:
    """A server of this machine for tests that leave it as it was."""
    _require_openssh()
    server = NativeSshd()
    yield server
    server.stop()


@pytest.fixture
def start_sshd() -> Iterator[Callable[..., NativeSshd]]:
    """Start a server of this machine, with ``NativeSshd``'s arguments, that a test may break; it ends with the test."""
    _require_openssh()
    started: list[NativeSshd] = []

    def start(*, path: str | None = None) -> NativeSshd:
        started.append(NativeSshd(path=path))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def _running_board(kind: Kind) -> Iterator[Board]:
    image = find_image()
    if image is None:
        pytest.skip(f"no emulated board here: set {BOARD_VARIABLE} to the folder that .ci/board prints")
    board = Board(image, kind)
    try:
        board.start()
        yield board
    finally:
        board.stop()


# Not the session's: the tests of boards run first, and an idle Raspberry Pi takes a fifth of a core.
@pytest.fixture(scope="package")
def board() -> Iterator[Board]:
    """A bare aarch64 board with a Debian, running; tests leave it reachable."""
    yield from _running_board(Kind.VIRT)


@pytest.fixture(scope="package")
def raspberry_pi() -> Iterator[Board]:
    """A bare Raspberry Pi 3 with a Debian, running; its network is slow, and it thinks that it is 1970."""
    yield from _running_board(Kind.RASPBERRY_PI_3)
