"""The command ``edgebench profile``: its flags, and where its output goes."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .device_argument import add_device, opened_device, python_of
from .errors import UsageError
from .outputs import make_folder, show_at_once, show_together

if TYPE_CHECKING:
    from .errors import InputError
    from .profile import ProfileSpec
    from .profile_data import FailedProfile, Profile

_EXAMPLES = """\
examples:
  edgebench profile model.tflite
  edgebench profile models/sample --delegate default --top 5
  edgebench profile model.tflite --delegate none --format model-explorer --out overlays
"""
_SUFFIXES = {"table": ".txt", "csv": ".csv", "json": ".json", "model-explorer": ".model-explorer.json"}
_EXIT_OK, _EXIT_FAILED = 0, 3


def add_profile(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    profile = commands.add_parser(
        "profile",
        help="say which operators a model's time goes to",
        description="Say which operators a model's time goes to, through LiteRT's C API (ai-edge-litert 2.2 or newer). "
        "Profiled times are shares, never latencies: for those use edgebench run.",
        epilog=_EXAMPLES,
    )
    profile.set_defaults(command=_profile)
    profile.add_argument(
        "models", nargs="+", metavar="MODEL", help="a .tflite file, a folder of them, or MODEL/VARIANT=FILE to name it"
    )
    profile.add_argument("--engine", default="compiled", metavar="NAME", help="compiled, the only one with a profiler")
    profile.add_argument("--delegate", default="default", metavar="NAME", help="default, xnnpack, none")
    profile.add_argument("--threads", type=int, default=1, metavar="N", help="threads (1)")
    profile.add_argument("--cpus", metavar="CPUS", help="run on these CPUs alone: big, little, 0-3")
    profile.add_argument("--signature", metavar="NAME", help="run this signature of the model")
    profile.add_argument(
        "--runs", type=int, metavar="N", help="profile N runs (default: until operators that matter are known to 2 %%)"
    )
    profile.add_argument("--top", type=int, default=15, metavar="K", help="show the K operators with most time (15)")
    profile.add_argument("--format", default="table", choices=tuple(_SUFFIXES))
    profile.add_argument("--out", type=Path, metavar="DIR", help="write one file a model into DIR instead")
    profile.add_argument("--python", metavar="PATH", help="run the worker under this Python")
    add_device(profile, "profile on this device: local, a name of edgebench.toml, ssh://USER@HOST or adb://SERIAL")
    profile.add_argument(
        "--timeout", default="120s", metavar="T", help="a worker that is silent for T is killed (120s)"
    )
    profile.add_argument("--debug", action="store_true", help="show the trace of an error")


def _profile(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .profile_data import FailedProfile, Profile

    spec = _spec(options)
    if options.out is not None:
        make_folder(options.out)
    done: list[Profile] = []
    failed: list[FailedProfile] = []
    complaints = 0
    for result in _profiled(options, spec):
        if isinstance(result, Profile):
            reason = _unfit(result, options.format)
            if reason is None:
                done.append(result)
                show_at_once(
                    result, _renderers(options)[options.format], options.format, options.out, _SUFFIXES[options.format]
                )
                continue
        elif isinstance(result, FailedProfile):
            failed.append(result)
            reason = f"{result.model}/{result.variant}: {result.failure.message}"
        else:
            reason = str(result)
        complaints += 1
        sys.stderr.write(f"edgebench: error: {reason}\n")
    _show_together(done, failed, options)
    return _EXIT_FAILED if complaints else _EXIT_OK


def _profiled(options: argparse.Namespace, spec: ProfileSpec) -> Iterator[Profile | FailedProfile | InputError]:
    from .profile import profile_models

    with opened_device(options, "edgebench profile") as device:
        python = python_of(device, options.python).path if options.python else None
        yield from profile_models(replace(spec, python=python), device)


def _unfit(profile: Profile, kind: str) -> str | None:
    """Return why a profile cannot be shown that way: colours would not tell that they are made of rounding."""
    from .report.profile import too_quick

    if kind != "model-explorer" or profile.tells_shares:
        return None
    return f"{profile.model}/{profile.variant}: {too_quick(profile)}"


def _spec(options: argparse.Namespace) -> ProfileSpec:
    from .profile import ProfileSpec
    from .records import DelegateKind
    from .spec import parse_cpus, parse_delegate, parse_duration_ns

    if options.engine != "compiled":
        raise UsageError(f"--engine {options.engine}: only engine compiled has a profiler; leave --engine out")
    if options.top < 1:
        raise UsageError(f"--top {options.top}: must be at least 1")
    if options.format == "model-explorer" and options.out is None and _names_several(options.models):
        raise UsageError("--format model-explorer: an overlay belongs to one model; write several with --out DIR")
    kind = DelegateKind.EXTERNAL if options.delegate.startswith("external") else parse_delegate(options.delegate).kind
    return ProfileSpec(
        models=tuple(options.models),
        delegate=kind,
        threads=options.threads,
        cpus=None if options.cpus is None else parse_cpus([options.cpus])[0],
        signature=options.signature,
        runs=options.runs,
        timeout_s=parse_duration_ns(options.timeout, "--timeout") / 1e9,
    )


def _names_several(models: Sequence[str]) -> bool:
    from .plan import find_variants

    return len(find_variants(models)[0]) > 1


def _show_together(done: Sequence[Profile], failed: Sequence[FailedProfile], options: argparse.Namespace) -> None:
    """Write what was not shown at once; JSON has the failures, too."""
    if options.format == "json" and options.out is None:
        from .report.profile import render_profiles_json

        sys.stdout.write(render_profiles_json(done, failed) + "\n")
        return
    show_together(done, _renderers(options)[options.format], options.format, options.out)


def _renderers(options: argparse.Namespace) -> dict[str, Callable[[Sequence[Profile]], str]]:
    from .report.profile import render_model_explorer, render_profile, render_profiles_csv, render_profiles_json

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() and options.out is None else None
    return {
        "table": lambda profiles: render_profile(profiles[0], options.top, width=width),
        "csv": render_profiles_csv,
        "json": lambda profiles: render_profiles_json(profiles, []) + "\n",
        "model-explorer": lambda profiles: render_model_explorer(profiles[0]) + "\n",
    }
