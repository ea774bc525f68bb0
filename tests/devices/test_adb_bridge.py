"""The way to adb's server, and what it says of phones that cannot be used: a real server, and real refusals."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from edgebench.devices.adb import AdbConnector, AdbTransport
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.adb_bridge import Attached, Bridge, find_bridge, parse_devices, server_place
from edgebench.devices.adb_client import ClientBridge
from edgebench.devices.adb_errors import explain, explain_connecting
from edgebench.devices.adb_line import Way
from edgebench.errors import DeviceError, DeviceLost, DeviceRefused, DeviceUnknown

from .adb_client import Connect, bridge_for, lead_to
from .adb_server import AdbServer
from .phone import Phone
from .ssh_host import free_port
from .support import PATIENCE_S, wait_for

StartPhone = Callable[..., Phone]
WAYS = [Way.FRAMED, Way.CLIENT]


@pytest.fixture(params=WAYS, ids=["adbutils", "adb"])
def bridge(request: pytest.FixtureRequest, own_adb_server: AdbServer, monkeypatch: pytest.MonkeyPatch) -> Bridge:
    """A way to a server with nothing attached."""
    lead_to(own_adb_server, monkeypatch)
    return bridge_for(request.param)


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, adb: str | None = None) -> None:
    """Make ``adb`` this machine's only program of that name: a shell script, or none."""
    folder.mkdir()
    if adb is not None:
        (folder / "adb").write_text(f"#!/bin/sh\n{adb}\n")
        (folder / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


# which phone


@pytest.mark.phone
def test_the_only_phone_needs_no_name(
    start_phone: StartPhone, own_adb_server: AdbServer, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceLost, match=r"^no phone is attached: plug one in and switch USB debugging on"):
        AdbTransport(AdbAddress(), bridge)
    first = start_phone()
    transport = AdbTransport(AdbAddress(), bridge)
    assert (transport.serial, transport.address) == (first.serial, first.serial)
    connect = AdbConnector(AdbAddress())
    assert connect().run(["true"]).status == 0

    second = start_phone()

    line = rf"^2 phones are attached, say which: .*{second.serial}.*; for instance adb://127"
    with pytest.raises(DeviceRefused, match=line):
        AdbTransport(AdbAddress(), bridge)
    assert AdbTransport(AdbAddress(second.serial), bridge).run(["true"]).status == 0
    assert connect().serial == first.serial  # what was the only one is known by name since
    monkeypatch.setenv("ANDROID_SERIAL", second.serial)
    assert AdbTransport(AdbAddress(), bridge).serial == second.serial
    with pytest.raises(DeviceUnknown, match=rf"^SIM0009: no such phone is attached; there is {first.serial}, "):
        AdbTransport(AdbAddress("SIM0009"), bridge)


@pytest.mark.phone
def test_a_phone_that_was_there_is_lost_and_not_unknown(
    start_phone: StartPhone, own_adb_server: AdbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(own_adb_server, monkeypatch)
    start_phone()
    connect = AdbConnector(AdbAddress("SIM0009"))
    with pytest.raises(DeviceUnknown):
        connect()
    connect._was_there = True  # an emulated phone has a place, to which the server would connect
    with pytest.raises(DeviceLost, match=r"^SIM0009: no such phone is attached"):
        connect()


@pytest.mark.phone
def test_a_phone_over_the_air_is_connected_to(start_phone: StartPhone, bridge: Bridge) -> None:
    phone = start_phone()
    phone.server.adb("disconnect", phone.serial)
    assert AdbTransport(AdbAddress(phone.serial), bridge).run(["true"]).status == 0

    phone.kill_daemon()
    assert wait_for(lambda: phone.server.state(phone.serial) == "offline")
    with pytest.raises(DeviceLost, match=r"refused.*; is wireless debugging on, is this its present port"):
        AdbTransport(AdbAddress(phone.serial), bridge)
    phone.start_daemon()
    assert AdbTransport(AdbAddress(phone.serial), bridge).run(["true"]).status == 0


@pytest.mark.phone
def test_phones_that_cannot_be_used(own_adb_server: AdbServer, bridge: Bridge) -> None:
    locked = own_adb_server.peer("unauthorized")
    with pytest.raises(DeviceRefused, match=rf'^{locked}: it has not allowed .* look at its screen, and accept "Allow'):
        AdbTransport(AdbAddress(locked), bridge)
    with pytest.raises(DeviceRefused, match=r"has not allowed this machine"):
        AdbTransport(AdbAddress(), bridge)


@pytest.mark.phone
def test_an_old_phone_needs_the_library(
    phone: Phone, connect_adb: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_adb(phone)
    assert bridge_for(Way.FRAMED).way(phone.serial) is Way.FRAMED
    assert bridge_for(Way.CLIENT).way(phone.serial) is Way.CLIENT
    programs(tmp_path / "bin", monkeypatch, "echo cmd; echo stat_v2")
    with pytest.raises(DeviceRefused, match=r"is older than 7.*pip install 'edgebench\[android\]'"):
        ClientBridge(str(tmp_path / "bin" / "adb")).way(phone.serial)


# which server


@pytest.mark.phone
def test_a_server_that_does_not_run_is_started(
    start_phone: StartPhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("adbutils")  # the adb program would start one of this machine
    phone = start_phone()
    server = phone.server
    lead_to(server, monkeypatch)
    server.end()
    asked, started = tmp_path / "asked", tmp_path / "started"
    # A real one would run on this machine and not in the test's network.
    programs(
        tmp_path / "bin",
        monkeypatch,
        f'[ "$1" = version ] && exit; echo "$@" >{asked}; until [ -e {started} ]; do /bin/sleep 0.05; done',
    )

    bridge, made = find_bridge(), []
    connecting = threading.Thread(target=lambda: made.append(AdbTransport(AdbAddress(phone.serial), bridge)))
    connecting.start()
    assert wait_for(asked.exists)
    monkeypatch.undo()
    server.start()
    server.connect(phone.serial)
    started.touch()
    connecting.join(PATIENCE_S)

    assert asked.read_text() == f"-P {server.port} start-server\n"
    assert made[0].run(["echo", "there"]).stdout == b"there\n"


def test_a_server_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))
    monkeypatch.delenv("ADB_SERVER_SOCKET", raising=False)
    failing = "[ \"$1\" = version ] && exit; echo '* daemon not running'; echo 'adb: cannot bind' >&2; exit 1"
    programs(tmp_path / "bin", monkeypatch, failing)
    pytest.importorskip("adbutils")
    for bridge in (find_bridge(), ClientBridge(str(tmp_path / "bin" / "adb"))):
        with pytest.raises(DeviceRefused, match=r"bin/adb: the adb server does not start: cannot bind$"):
            bridge.attached()


def test_a_server_elsewhere_is_not_started_here(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("adbutils")
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.2:{free_port()}")
    with pytest.raises(DeviceLost, match=r"^127\.0\.0\.2:\d+: no adb server answers there; start one"):
        find_bridge().attached()


def test_what_listens_there_is_no_adb_server(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("adbutils")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:{listener.getsockname()[1]}")

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(DeviceRefused, match=r"no adb server answers there: .*HTTP"):
            find_bridge().attached()


def test_neither_library_nor_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path / "bin", monkeypatch)
    monkeypatch.setitem(sys.modules, "adbutils", None)
    monkeypatch.delitem(sys.modules, "edgebench.devices.adb_library", raising=False)
    with pytest.raises(
        DeviceRefused, match=r"need adbutils \(pip install 'edgebench\[android\]'\), or Android's own adb"
    ):
        AdbTransport(AdbAddress())
    programs(tmp_path / "other", monkeypatch, "true")
    assert isinstance(find_bridge(), ClientBridge)


def test_a_library_without_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adbutils = pytest.importorskip("adbutils")
    programs(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))
    monkeypatch.delenv("ADB_SERVER_SOCKET", raising=False)

    def none() -> str:
        raise adbutils.AdbError("No adb exe could be found")

    monkeypatch.setattr(adbutils, "adb_path", none)
    with pytest.raises(DeviceRefused, match=r"^no adb server runs, and there is no adb to start one; install it"):
        AdbTransport(AdbAddress())


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, ("127.0.0.1", 5037)),
        ({"ANDROID_ADB_SERVER_PORT": "6000"}, ("127.0.0.1", 6000)),
        ({"ANDROID_ADB_SERVER_ADDRESS": "10.0.0.2"}, ("10.0.0.2", 5037)),
        ({"ADB_SERVER_SOCKET": "tcp:6001", "ANDROID_ADB_SERVER_PORT": "6000"}, ("127.0.0.1", 6001)),
        ({"ADB_SERVER_SOCKET": "tcp:box:6001"}, ("box", 6001)),
        ({"ADB_SERVER_SOCKET": "tcp:[::1]:6001"}, ("::1", 6001)),
        ({"ADB_SERVER_SOCKET": "localfilesystem:/run/adb"}, None),
    ],
)
def test_where_the_server_is(variables: dict[str, str], place: tuple[str, int] | None) -> None:
    assert server_place(variables) == place


def test_a_port_that_is_none() -> None:
    with pytest.raises(DeviceRefused, match="ANDROID_ADB_SERVER_PORT is 'x', which is no port"):
        server_place({"ANDROID_ADB_SERVER_PORT": "x"})


# what adb says

DEVICES = """\
List of devices attached
0A041FDD4003KC         device usb:1-4 product:panther model:Pixel_7 device:panther transport_id:3
emulator-5554          offline transport_id:1
9889db38               no permissions (user in plugdev group; are your udev rules wrong?); see [http://a] usb:1-1
127.0.0.1:5601         unauthorized transport_id:4

"""


def test_the_list_of_devices() -> None:
    assert parse_devices(DEVICES) == [
        Attached("0A041FDD4003KC", "device", "Pixel 7"),
        Attached("emulator-5554", "offline"),
        Attached("9889db38", "no permissions"),
        Attached("127.0.0.1:5601", "unauthorized"),
    ]
    assert [str(one) for one in parse_devices(DEVICES)][:2] == ["0A041FDD4003KC (Pixel 7)", "emulator-5554 (offline)"]


@pytest.mark.parametrize(
    ("said", "kind", "line"),
    [
        ("unauthorized", DeviceRefused, "look at its screen"),
        ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", DeviceRefused, "look at its screen"),
        ("authorizing", DeviceLost, "look at its screen"),
        ("device offline", DeviceLost, "it is offline"),
        ("no permissions", DeviceRefused, "may not open its USB port"),
        ("recovery", DeviceRefused, "it has started its recovery, not Android"),
        ("device 'x' not found", DeviceLost, "no such device is attached"),
        ("* daemon started\nerror: closed", DeviceLost, "^x: closed$"),
    ],
)
def test_what_adb_says_of_a_phone(said: str, kind: type[DeviceError], line: str) -> None:
    with pytest.raises(kind, match=line):
        raise explain("x", said)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("failed to connect to 'x:1': Connection refused", DeviceLost),
        ("failed to authenticate to x:1", DeviceRefused),
        ("failed to resolve host: 'x': Name or service not known", DeviceRefused),
        ("unable to connect to x:1", DeviceLost),
    ],
)
def test_what_adb_says_of_connecting(said: str, kind: type[DeviceError]) -> None:
    assert type(explain_connecting("x:1", said)) is kind
    assert explain_connecting("x:1", "already connected to x:1") is None
