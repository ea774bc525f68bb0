"""The SSH servers that tests of boards talk to, and the phones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .adb_client import connect_adb  # noqa: F401 - a fixture
from .adb_server import AdbServer
from .board import BOARD_VARIABLE, Board, Kind, find_image
from .native_sshd import SSHD_VARIABLE, NativeSshd, find_sshd
from .phone import Phone, why_none
from .phone import find_image as find_phone
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


def _require_phones() -> None:
    reason = why_none()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="package")
def adb_server() -> Iterator[AdbServer]:
    """A server of the debug bridge for tests that leave it running."""
    _require_phones()
    server = AdbServer()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def phone(adb_server: AdbServer) -> Iterator[Phone]:
    """A bare aarch64 phone, connected; tests leave it reachable."""
    phone = _started(adb_server)
    yield phone
    phone.stop()


@pytest.fixture
def own_adb_server() -> Iterator[AdbServer]:
    """A server of the debug bridge with nothing attached, that a test may end; it ends with the test."""
    _require_phones()
    server = AdbServer()
    yield server
    server.stop()


@pytest.fixture
def start_phone(own_adb_server: AdbServer) -> Iterator[Callable[..., Phone]]:
    """Start a phone on a server of the test's own, with ``Phone``'s arguments; a test may break it."""
    started: list[Phone] = []

    def start(*, with_python: bool = False) -> Phone:
        started.append(_started(own_adb_server, with_python=with_python))
        return started[-1]

    yield start
    for phone in started:
        phone.stop()


def _started(server: AdbServer, *, with_python: bool = False) -> Phone:
    image = find_phone()
    assert image is not None
    return Phone(server, image, with_python=with_python)
