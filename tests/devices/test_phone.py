from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .adb_server import AdbServer
from .phone import PHONE_VARIABLE, SMALL, Phone, find_image, why_none
from .support import wait_for

pytestmark = pytest.mark.phone

StartPhone = Callable[..., Phone]


def shell(phone: Phone, words: str) -> str:
    """Return what a line of shell says, by the real client."""
    return phone.server.adb("-s", phone.serial, "shell", words).stdout.decode()


def test_the_phone_is_a_bare_aarch64_one(phone: Phone) -> None:
    facts = shell(phone, "id -u; uname -m; pwd; echo $PATH; getprop ro.product.model; stat -c %a:%u /data/local/tmp")
    absent = phone.server.adb("-s", phone.serial, "shell", "for name in python3 python numpy perl bash; do $name; done")

    assert facts.splitlines() == ["2000", "aarch64", "/", "/system/bin:/vendor/bin", "Pixel 7", "771:2000"]
    assert absent.stderr.count(b"not found") == 5
    assert shell(phone, "ls /usr/bin /usr/lib | grep -i python") == ""


def test_what_it_says_of_itself_can_be_changed(start_phone: StartPhone) -> None:
    phone = start_phone()
    phone.set_prop("ro.product.model", "Another 8")
    phone.set_service("battery", "  temperature: 450\n")

    assert shell(phone, "getprop ro.product.model; getprop no.such.name none; dumpsys battery").splitlines() == [
        "Another 8",
        "none",
        "  temperature: 450",
    ]
    assert shell(phone, "getprop").count("[Another 8]") == 1


def test_a_small_file_system_can_be_filled(start_phone: StartPhone) -> None:
    phone = start_phone()
    phone.fill_disk(left_bytes=4096)

    assert shell(phone, f"head -c 9000 /dev/zero > {SMALL}/file; stat -c %s {SMALL}/file") == "4096\n"
    phone.empty_disk()
    assert shell(phone, f"head -c 9000 /dev/zero > {SMALL}/file; stat -c %s {SMALL}/file") == "9000\n"


def test_a_killed_daemon_is_a_phone_that_is_offline_and_files_stay(start_phone: StartPhone) -> None:
    phone = start_phone()
    shell(phone, "echo kept > /data/local/tmp/file")

    phone.kill_daemon()

    assert wait_for(lambda: phone.server.state(phone.serial) == "offline")
    phone.restart()
    assert shell(phone, "cat /data/local/tmp/file") == "kept\n"


def test_two_phones_on_one_server_have_files_of_their_own(start_phone: StartPhone) -> None:
    phone, other = start_phone(), start_phone()
    shell(other, "echo other > /data/local/tmp/which")

    assert (phone.serial == other.serial, shell(phone, "ls /data/local/tmp")) == (False, "small\n")


def test_peers_that_are_no_good_phones(own_adb_server: AdbServer) -> None:
    assert own_adb_server.state(own_adb_server.peer("unauthorized")) == "unauthorized"
    assert own_adb_server.state(own_adb_server.peer("silent")) == "offline"
    assert own_adb_server.state("127.0.0.1:1") is None


def test_no_phone_where_the_folder_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PHONE_VARIABLE, str(tmp_path))

    assert find_image() is None
    assert PHONE_VARIABLE in (why_none() or "")
