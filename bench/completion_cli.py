"""The command ``edgebench completion``: what a shell needs so that the Tab key completes commands, flags and runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

SHELLS = ("bash", "zsh", "fish")
_EXAMPLES = """\
examples:
  edgebench completion bash
  edgebench completion zsh
  edgebench completion fish

to use it in every new shell:
  bash, in ~/.bashrc:                   source <(edgebench completion bash)
  zsh, in ~/.zshrc, after compinit:     source <(edgebench completion zsh)
  fish, in ~/.config/fish/config.fish:  edgebench completion fish | source
"""


def add_completion(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    completion = commands.add_parser(
        "completion",
        help="print what makes the Tab key complete commands, flags and runs",
        description="Print what makes the Tab key complete commands, flags, their values, files and stored runs.",
        epilog=_EXAMPLES,
    )
    completion.set_defaults(command=_completion)
    completion.add_argument("shell", choices=SHELLS, help="the shell that shall complete")


def _completion(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["edgebench"], shell=options.shell).strip())
    return 0
