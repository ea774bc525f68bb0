"""Addresses of phones as people write them: ``adb://SERIAL``, ``adb://HOST:PORT``, or ``adb://`` for the only one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..nearest import did_you_mean

SCHEME = "adb://"
TABLE_KEYS = ("adb", "folder", "python", "cache")

_SERIAL = re.compile(r"[\w.][\w.:%\[\]-]*|\[[\w.:%]+\]:\d+")
_PLACE = re.compile(r"(?:[\w.-]+|\[[\w.:%]+\]):(?P<port>\d{1,5})")
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class AdbAddress:
    """Which device of the server is meant: its serial as ``adb devices`` shows it, None where there is only one."""

    serial: str | None = None

    @property
    def is_place(self) -> bool:
        """Whether it is a host and a port, which the server can be told to connect to."""
        return self.serial is not None and _PLACE.fullmatch(self.serial) is not None

    def __str__(self) -> str:
        return f"{SCHEME}{self.serial or ''}"


@dataclass(frozen=True)
class AdbTable:
    """One ``[devices.NAME]`` with ``adb``; the others are as written, None where absent."""

    address: AdbAddress
    folder: str | None = None
    python: str | None = None
    cache: str | None = None

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], path: Path | None = None) -> AdbTable:
        """Return what ``[devices.name]`` of the file ``path`` says.

        Raises:
            UsageError: a key or value means nothing.
        """
        where = f"{f'{path}: ' if path else ''}[devices.{name}]"
        for key, value in table.items():
            if key not in TABLE_KEYS:
                raise UsageError(f"{where}: no key of a phone is called {key}; {did_you_mean(key, TABLE_KEYS)}")
            if not isinstance(value, str) or (not value.strip() and key != "adb"):
                raise UsageError(f"{where}: {key} must be text, not {value!r}")
        texts = {key: str(value) for key, value in table.items()}
        try:
            address = parse_address(texts.pop("adb", ""))
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
        return cls(address, **texts)


def parse_address(text: str) -> AdbAddress:
    """Return the address that ``[adb://][SERIAL|HOST:PORT]`` means.

    Raises:
        UsageError: it is no such address.
    """
    serial = text.removeprefix(SCHEME)
    if not serial:
        return AdbAddress()
    if not _SERIAL.fullmatch(serial):
        raise UsageError(
            f"{text!r} is no address of a phone; write adb://SERIAL as `adb devices` shows it, or adb://HOST:PORT"
        )
    place = _PLACE.fullmatch(serial)
    if place and not 1 <= int(place["port"]) <= _HIGHEST_PORT:
        raise UsageError(f"{text!r}: {place['port']!r} is no port; it is a number from 1 to {_HIGHEST_PORT}")
    return AdbAddress(serial)
