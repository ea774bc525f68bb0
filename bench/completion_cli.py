"""The command ``edgebench completion``: a shell script that completes commands, flags, files and stored runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .command_line import leaves

_SHELLS = ("bash", "zsh", "fish")
#: Arguments that name a stored run.
_RUNS = ("run", "base", "new", "resume")
_EXAMPLES = """\
examples:
  source <(edgebench completion bash)                                     # now; in ~/.bashrc for ever
  source <(edgebench completion zsh)                                      # the same, in ~/.zshrc
  edgebench completion fish > ~/.config/fish/completions/edgebench.fish   # for ever
"""


def add_completion(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    completion = commands.add_parser(
        "completion",
        help="print a script that completes edgebench in your shell",
        description="Print a script for your shell. It asks edgebench itself what can stand at the cursor: commands, "
        "flags, choices, files and the ids of stored runs.",
        epilog=_EXAMPLES,
    )
    completion.set_defaults(command=_print_script)
    completion.add_argument("shell", choices=_SHELLS)


def _print_script(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["edgebench"], shell=options.shell))
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell where it asks, and end; else return at once."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    for leaf in leaves(parser):
        for action in leaf.parser._actions:
            if action.dest in _RUNS and action.metavar in ("RUN", "BASE", "NEW"):
                action.completer = _runs  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _runs(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Iterable[str]:
    """Return ids of stored runs, newest first, ``latest``, and folders."""
    import argcomplete

    out = Path(getattr(parsed_args, "out", None) or "results")
    stored = sorted((path.parent.name for path in out.glob("*/run.json")), reverse=True)
    paths = argcomplete.completers.FilesCompleter()(prefix)
    return [name for name in ("latest", *stored, *paths) if name.startswith(prefix)]
