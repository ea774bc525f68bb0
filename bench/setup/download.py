"""Fetches a program over HTTP into the user's cache folder."""

from __future__ import annotations

import errno
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from .. import __version__
from ..errors import InputError

SCHEMES = ("http://", "https://")
#: For the connection, and for every wait for more of it.
_PATIENCE_S = 30.0
_PIECE_BYTES = 1 << 16
_ELF = b"\x7fELF"
_SHOWN_BYTES = 24
_INSTEAD = "fetch it another way and name the file: --benchmark-model FILE"

#: Hears how many bytes have arrived, and of how many; 0 where that was not told.
OnArrived = Callable[[int, int], None]


def fetch_program(address: str, cache: Path, on_arrived: OnArrived | None = None) -> Path:
    """Fetch a program and return its path in ``cache``, where it replaces the one that was fetched from there before.

    Raises:
        InputError: no network, no such file, no program, or no room for it here; the line says what to do.
    """
    folder = cache / hashlib.sha256(address.encode()).hexdigest()[:16]
    path = folder / (address.rpartition("/")[2].partition("?")[0] or "program")
    part = path.with_name(f"{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _opened(address) as answer, part.open("wb") as file:
            _copy(answer, file, address, on_arrived)
        part.replace(path)
    except InputError:
        _forget(part)
        raise
    except OSError as error:
        _forget(part)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"{folder}: has no room for {address}; make room there, or set EDGEBENCH_CACHE") from error
        raise InputError(f"{folder}: cannot be written to: {error.strerror or error}") from error
    return path


def _opened(address: str) -> http.client.HTTPResponse:
    try:
        # An address has one of SCHEMES, and urllib follows none that leads out of them.
        request = urllib.request.Request(address, headers={"User-Agent": f"edgebench/{__version__}"})  # noqa: S310
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_PATIENCE_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError(f"{address}: the server has no such file ({error.code} {error.reason}); {_INSTEAD}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreachable(address, error) from error
    return answer


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, address: str, on_arrived: OnArrived | None) -> None:
    have, size = 0, int(answer.headers.get("Content-Length") or 0)
    while piece := _read(answer, address):
        if not have and not piece.startswith(_ELF):
            shown = piece[:_SHOWN_BYTES].decode("ascii", "replace").strip()
            raise InputError(f"{address}: is no program for Linux or Android, it begins with {shown!r}; {_INSTEAD}")
        file.write(piece)
        have += len(piece)
        if on_arrived is not None:
            on_arrived(have, size)
    if not have:
        raise InputError(f"{address}: the server sent nothing; {_INSTEAD}")
    if have < size:
        raise InputError(f"{address}: only {have} of {size} bytes arrived; run it again")


def _read(answer: http.client.HTTPResponse, address: str) -> bytes:
    try:
        return answer.read(_PIECE_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> InputError:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    why = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return InputError(f"{address}: cannot be fetched: {why}; connect this machine to the network, or {_INSTEAD}")


def _forget(part: Path) -> None:
    with suppress(OSError):
        part.unlink(missing_ok=True)
