"""This machine's Python on a phone, for tests that are about something else: a phone has none.

It brings its own loader and libraries, and its processor is this machine's.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Protocol

_PYTHON, _PACKAGES, _SYSTEM = "/mnt/python", "/mnt/packages", "/mnt/usr"
#: Folders of this machine by where they are on the phone.
PLACES = {_PYTHON: sys.base_prefix, _PACKAGES: sysconfig.get_path("purelib"), _SYSTEM: "/usr"}
_WRAPPER = "/data/local/tmp/python3"


class Writable(Protocol):
    """What has files that can be written."""

    def path(self, there: str) -> Path:
        """Return where a file is here."""

    def write(self, there: str, text: str) -> None:
        """Write a file."""


def write_python(phone: Writable) -> str:
    """Write a program that runs this Python with its packages there, and return its path."""
    program = Path(os.path.realpath(sys.executable)).relative_to(sys.base_prefix)
    multiarch = sysconfig.get_config_var("MULTIARCH")
    loader = next(Path(f"/usr/lib/{multiarch}").glob("ld-linux*.so.*"))
    libraries = [f"{_PYTHON}/lib", *(f"{_SYSTEM}/{folder}" for folder in (f"lib/{multiarch}", "lib64", "lib"))]
    phone.write(
        _WRAPPER,
        "#!/system/bin/sh\n"
        f"export PYTHONHOME={_PYTHON} PYTHONPATH={_PACKAGES} PYTHONDONTWRITEBYTECODE=1\n"
        f"exec {_SYSTEM}{str(loader).removeprefix('/usr')} --library-path {':'.join(libraries)} {_PYTHON}/{program} "
        '"$@"\n',
    )
    phone.path(_WRAPPER).chmod(0o755)
    return _WRAPPER
