"""What this machine and this account are called: to be taken out of what is shown to others."""

from __future__ import annotations

import getpass
import os
import platform
from pathlib import Path

from .scrubbing import Secrets

_ACCOUNTS = ("USER", "LOGNAME", "USERNAME", "SUDO_USER")


def secrets_here() -> Secrets:
    """Return this machine's names, those of the account that runs this, and its home folder."""
    users = [os.environ.get(name, "") for name in _ACCOUNTS]
    homes: list[str] = []
    try:
        users.append(getpass.getuser())
        homes.append(str(Path.home()))
    except (OSError, KeyError, RuntimeError, ImportError):  # an account without a name, as in many containers
        pass
    users += [Path(home).name for home in homes]
    return Secrets(
        hosts=tuple(name for name in (platform.node(),) if name),
        users=tuple(dict.fromkeys(name for name in users if name)),
        paths=tuple(home for home in homes if home.strip("/")),
    )
