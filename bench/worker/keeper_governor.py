"""The keeper's commands about the governor: it puts back what it changed, whichever way it ends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict

from .governor import GovernorSwitch
from .refusal import Refusal

if TYPE_CHECKING:
    from .keeper import Keeper

_STATE = "governor.json"


def set_governor(keeper: Keeper, request: Dict[str, Any]) -> Dict[str, Any]:
    """Set it and return what was there before, by file."""
    if not keeper.lock.held:
        raise Refusal("protocol", "set_governor without the lock")
    restore_governor(keeper, {})
    switch = _switch(keeper)
    previous = switch.set(str(request["name"]))
    keeper.governor = switch
    keeper.at_end.append(switch.restore)
    return {"previous": previous}


def restore_governor(keeper: Keeper, _request: Dict[str, Any]) -> Dict[str, Any]:
    """Put back what was there before; ``trouble`` has a line for each file where that failed."""
    switch, keeper.governor = keeper.governor, None
    return {"trouble": switch.restore() if switch is not None else []}


def recover_governor(keeper: Keeper, _request: Dict[str, Any]) -> Dict[str, Any]:
    """Put back what a keeper that was killed has left; ``left`` is None where there is nothing."""
    left = _switch(keeper).recover()
    return {"left": None if left is None else left._asdict()}


def _switch(keeper: Keeper) -> GovernorSwitch:
    return GovernorSwitch(os.path.join(keeper.root, _STATE))
