"""What a phone over adb costs: bytes that go there the first time and the second, and seconds to a first result.

    python tests/proofs/phone.py
    python tests/proofs/phone.py --data phantom --limit 42

Starts the emulated phone that ``.ci/phone`` builds, bare, and uses the commands as a person would, with the bundle of
``.ci/bundle``. The bytes hold for any phone; the seconds are an emulator's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]

import edgebench  # noqa: E402
from board import timed  # noqa: E402
from devices.adb_server import AdbServer  # noqa: E402
from devices.bundles import find_bundle  # noqa: E402
from devices.phone import Phone, find_image, why_none  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "models" / "sample"))
    parser.add_argument("--data", default="phantom")
    parser.add_argument("--limit", type=int, default=21)
    options = parser.parse_args()
    image, bundle = find_image(), find_bundle()
    if image is None or bundle is None:
        sys.exit(why_none() or "no portable Python here: run .ci/bundle, and set EDGEBENCH_BUNDLE to what it prints")
    server = AdbServer()
    try:
        phone = Phone(server, image)
        try:
            os.environ.update(server.environment)
            with tempfile.TemporaryDirectory() as folder:
                _measure(phone, bundle, Path(folder), options)
        finally:
            phone.stop()
    finally:
        server.stop()


def _measure(phone: Phone, bundle: Path, folder: Path, options: argparse.Namespace) -> None:
    print(f"phone: {phone.serial}; load here {os.getloadavg()[0]:.1f}")
    (folder / "edgebench.toml").write_text(f'[devices.phone]\nadb = "{phone.serial}"\n', encoding="utf-8")
    for turn in ("first", "second"):
        print(f"setup, {turn}:")
        for line in timed(["device", "setup", "phone", "--bundle", str(bundle)], folder).splitlines():
            print(f"    {line}")
    run = ["run", options.model, "--device", "phone", "--data", options.data, "--limit", str(options.limit)]
    for turn in ("first", "second"):
        timed([*run, "--blocks", "1", "--max-time", "2s", "--quiet"], folder)
        record = edgebench.load("latest", folder / "results").record
        (device,) = record.devices
        ready_s = (device.ready_to_first_result_ns or 0) / 1e9
        sent_mb, reused_mb = (device.bytes_sent or 0) / 1e6, (device.bytes_reused or 0) / 1e6
        print(f"run, {turn}: {sent_mb:.2f} MB sent, {reused_mb:.2f} MB were there; first result after {ready_s:.1f} s")
        for case in record.cases:
            parity = case.device_parity
            same = "not compared" if parity is None else "bit-equal" if parity.bit_equal else f"within {parity.allowed}"
            score = "" if case.accuracy is None else f", balanced accuracy {case.accuracy.balanced_accuracy:.3f}"
            print(f"    {case.variant}: {same}{score}")


if __name__ == "__main__":
    main()
