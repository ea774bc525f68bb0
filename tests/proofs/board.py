"""What a board over SSH costs: bytes that go there the first time and the second, and seconds to a first result.

    python tests/proofs/board.py
    python tests/proofs/board.py --data phantom --limit 42

Boots the emulated board that ``.ci/board`` builds, bare, and uses the commands as a person would. The bytes hold for
any board with the same Python and processor; the seconds are an emulator's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import edgebench  # noqa: E402
from devices.board import Board, find_image  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "models" / "sample"))
    parser.add_argument("--data", default="phantom")
    parser.add_argument("--limit", type=int, default=21)
    options = parser.parse_args()
    image = find_image()
    if image is None:
        sys.exit("no emulated board here: run .ci/board, and set EDGEBENCH_BOARD to the folder that it prints")
    board = Board(image)
    board.start()
    print(f"board: ready {board.seconds_to_ssh:.1f} s after its start; load here {os.getloadavg()[0]:.1f}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            _measure(board, Path(folder), options)
    finally:
        board.stop()


def _measure(board: Board, folder: Path, options: argparse.Namespace) -> None:
    (folder / "edgebench.toml").write_text(
        f'[devices.board]\nssh = "{board.user}@{board.host}:{board.port}"\n'
        f'identity = "{board.key}"\nknown_hosts = "{board.known_hosts}"\n',
        encoding="utf-8",
    )
    for turn in ("first", "second"):
        print(f"setup, {turn}:")
        for line in timed(["device", "setup", "board"], folder).splitlines():
            print(f"    {line}")
    run = ["run", options.model, "--device", "board", "--data", options.data, "--limit", str(options.limit)]
    for turn in ("first", "second"):
        timed([*run, "--blocks", "1", "--max-time", "2s", "--quiet"], folder)
        (device,) = edgebench.load("latest", folder / "results").record.devices
        ready_s = (device.ready_to_first_result_ns or 0) / 1e9
        sent_mb, reused_mb = (device.bytes_sent or 0) / 1e6, (device.bytes_reused or 0) / 1e6
        print(f"run, {turn}: {sent_mb:.2f} MB sent, {reused_mb:.2f} MB were there; first result after {ready_s:.1f} s")


def timed(words: list[str], folder: Path) -> str:
    """Run a command of edgebench and return what it said and how long it took."""
    begin_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "edgebench", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return f"{done.stdout.rstrip()}\n{time.monotonic() - begin_s:.1f} s in all"


if __name__ == "__main__":
    main()
