from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.config import Config
from edgebench.devices.adb import AdbConnector
from edgebench.devices.adb_address import AdbAddress, AdbTable, parse_address
from edgebench.devices.opening import PHONE_FOLDER, find_device, open_device
from edgebench.devices.remote import RemoteDevice
from edgebench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "serial", "is_place"),
    [
        ("adb://", None, False),
        ("adb://0A041FDD4003KC", "0A041FDD4003KC", False),
        ("0A041FDD4003KC", "0A041FDD4003KC", False),
        ("adb://emulator-5554", "emulator-5554", False),
        ("adb://192.168.1.7:37015", "192.168.1.7:37015", True),
        ("adb://pixel.lan:5555", "pixel.lan:5555", True),
        ("adb://[fe80::1%eth0]:5555", "[fe80::1%eth0]:5555", True),
        ("adb://adb-SIM0001-x1Yz._adb-tls-connect._tcp", "adb-SIM0001-x1Yz._adb-tls-connect._tcp", False),
    ],
)
def test_serials_and_places(text: str, serial: str | None, is_place: bool) -> None:
    address = parse_address(text)

    assert (address.serial, address.is_place) == (serial, is_place)
    assert str(address) == f"adb://{serial or ''}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("adb://two words", "no address of a phone"),
        ("adb://-s", "no address of a phone"),
        ("adb://a/b", "no address of a phone"),
        ("adb://$(id)", "no address of a phone"),
        ("adb://host:0", "'0' is no port"),
        ("adb://host:70000", "'70000' is no port"),
    ],
)
def test_what_is_no_address(text: str, line: str) -> None:
    with pytest.raises(UsageError, match=line.replace("$", r"\$")):
        parse_address(text)


def test_a_phone_of_the_configuration() -> None:
    table = {"adb": "SIM0001", "folder": "/data/local/tmp/x", "python": "/data/local/tmp/python3", "cache": "1GB"}
    config = Config(devices={"pixel": table, "only": {"adb": ""}})

    assert find_device("pixel", config) == (
        "pixel",
        AdbTable(AdbAddress("SIM0001"), "/data/local/tmp/x", "/data/local/tmp/python3", "1GB"),
    )
    assert find_device("only", config) == ("only", AdbTable(AdbAddress()))


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"adb": "SIM0001", "ssh": "pi"}, r"edgebench.toml: \[devices.p\]: no key of a phone is called ssh"),
        ({"adb": "a b"}, r"\[devices.p\]: 'a b' is no address of a phone"),
        ({"adb": 1}, r"\[devices.p\]: adb must be text, not 1"),
        ({"adb": "x", "folder": " "}, r"\[devices.p\]: folder must be text"),
    ],
)
def test_a_wrong_table(table: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        find_device("p", Config(devices={"p": table}, path=Path("edgebench.toml")))


@pytest.mark.parametrize(
    ("text", "name"),
    [("adb://SIM0001", "SIM0001"), ("adb://127.0.0.1:5601", "127.0.0.1-5601"), ("adb://", "phone")],
)
def test_the_device_of_an_address(text: str, name: str) -> None:
    device = open_device(text)

    assert isinstance(device, RemoteDevice)
    assert (device.name, device.settings.folder) == (name, PHONE_FOLDER)
    assert isinstance(device._connect, AdbConnector)
