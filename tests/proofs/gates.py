"""How far gates can be trusted, end to end: drives the command line from outside and prints figures.

Not a test: nothing here passes or fails. One core is kept busy meanwhile, unless --quiet is given.

    python tests/proofs/gates.py slower --count 20 --budget 10s
    python tests/proofs/gates.py same --count 20 --budget 10s
    python tests/proofs/gates.py damaged --count 3

``slower`` stores a baseline of a stack of equal convolutions with --keep-models, then puts a stack with 15 % more of
them in its file's place, and asks ``compare --interleave --gate 'p50 <= 1.05x'``; ``same`` writes the same stack again.
``damaged`` lowers one class's bias in a copy of the shipped sample and asks ``--gate 'recall[mel] >= -2pt'`` and the
same of another class, on generated images. Each tells exit codes and the lines that gates printed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from busy import busy_core
from rewritten import biased
from stacks import write_stack

SAMPLE = Path(__file__).resolve().parent.parent.parent / "models" / "sample"
_LABEL, _BY = "mel", -6.0


def main() -> None:
    """Run one experiment and print its figures."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder, busy_core(not options.quiet):
        place = Path(folder)
        prepare = _damaged if options.experiment == "damaged" else _stacks
        gates = prepare(options, place)
        (baseline,) = (path.parent.name for path in (place / "results").glob("*/run.json"))
        codes: Counter[int] = Counter()
        start = time.monotonic()
        for number in range(options.count):
            done = _edgebench("compare", baseline, str(place / "net"), "--interleave", "--quiet", *gates, place=place,
                              budget=options.budget)  # fmt: skip
            codes[done.returncode] += 1
            told = [
                line.strip()
                for line in done.stdout.splitlines()
                if line.startswith(("  FAIL", "  undecided", "Gates:"))
            ]
            print(
                f"{number + 1}: exit code {done.returncode}", *told, *done.stderr.splitlines(), sep="\n    ", flush=True
            )
        seconds = (time.monotonic() - start) / options.count
        print(f"exit codes: {', '.join(f'{code} in {times}' for code, times in sorted(codes.items()))} "
              f"of {options.count}, {seconds:.1f} s each")  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("slower", "same", "damaged"))
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--budget", default="10s")
    parser.add_argument("--quiet", action="store_true", help="keep no core busy")
    return parser


def _stacks(options: argparse.Namespace, place: Path) -> list[str]:
    """Store a baseline, then replace its file."""
    (place / "net").mkdir()
    write_stack(place / "net" / "build.tflite", 20, size=10, channels=20)
    _baseline(place)
    write_stack(place / "net" / "build.tflite", 23 if options.experiment == "slower" else 20, size=10, channels=20)
    return ["--gate", "p50 <= 1.05x"]


def _damaged(_options: argparse.Namespace, place: Path) -> list[str]:
    shutil.copytree(SAMPLE, place / "net")
    for name in ("float16", "int8"):
        (place / "net" / f"{name}.tflite").unlink()
    _baseline(place)
    labels = (SAMPLE / "labels.txt").read_text().split()
    biased(SAMPLE / "float32.tflite", place / "net" / "float32.tflite", labels.index(_LABEL), _BY)
    return ["--data", "phantom", "--gate", f"recall[{_LABEL}] >= -2pt", "--gate", "recall[vasc] >= -2pt"]


def _baseline(place: Path) -> None:
    done = _edgebench("run", str(place / "net"), "--keep-models", "--quiet", place=place, budget="10s")
    print(f"baseline: exit code {done.returncode} {done.stderr}", flush=True)


def _edgebench(command: str, *arguments: str, place: Path, budget: str) -> subprocess.CompletedProcess[str]:
    asked = [
        sys.executable,
        "-m",
        "edgebench",
        command,
        *arguments,
        "--out",
        str(place / "results"),
        "--budget",
        budget,
    ]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
