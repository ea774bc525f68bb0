"""How fast ``edgebench run`` classifies images, against a bare loop over the same cache on all cores.

It prints figures and judges nothing. Both read the same memory-mapped file of decoded images, with a process of one
thread on each usable core, one way after the other in turns, since a machine's speed wanders. The bare loop is what
one would write by hand: the runtime's Interpreter, plain numpy, rows divided evenly beforehand. Starting processes and
loading the model are timed on both sides. Anonymous memory is that of all processes together, looked at meanwhile.

    python tests/proofs/evaluation.py model.tflite --data ham10000:HAM10000 --normalize -1..1 --images 2000
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
from edgebench.classify import Classifier
from edgebench.devices.local import LocalDevice
from edgebench.evaluation import Evaluator
from edgebench.images.normalization import parse_normalization
from edgebench.launch import Launcher
from edgebench.outcome import Outcome
from edgebench.plan import make_plan
from edgebench.progress import Progress
from edgebench.records import Latency, Status
from edgebench.run_cli import join_values
from edgebench.runner import probe_runtime
from edgebench.session import ImageNeeds
from edgebench.spec import DataSpec, Spec

_BARE = Path(__file__).with_name("bare_evaluation.py")
_LOOK_S = 0.2
#: Enough work an image for as many workers as there are cores, as a timed case would have.
_ASSUMED_NS = 1_000_000_000


def main() -> None:
    """Parse the arguments and print one line a turn, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--normalize", required=True, help="one mean and deviation for all channels, such as -1..1")
    parser.add_argument("--images", type=int, help="the first so many only, all of them decoded all the same")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args(join_values(sys.argv[1:]))
    spec = Spec(models=(options.model,), data=DataSpec(options.data, normalize=options.normalize))
    job = _Job(spec, options.images)
    rates: dict[str, list[float]] = {"edgebench": [], "bare": []}
    found: dict[str, np.ndarray] = {}
    for turn in range(options.turns):
        for name, classify in (("edgebench", job.edgebench), ("bare", job.bare))[:: 1 if turn % 2 else -1]:
            seconds, peak, scores = _watched(classify)
            rates[name].append(len(scores) / seconds)
            found[name] = scores
            line = f"{name:9}  {len(scores)} images  {seconds:6.1f} s  {rates[name][-1]:7.1f}/s"
            print(f"{line}  anonymous {peak / 1e6:5.0f} MB", flush=True)
    ratios = [ours / bare for ours, bare in zip(rates["edgebench"], rates["bare"], strict=True)]
    same = (found["edgebench"].argmax(axis=1) == found["bare"].argmax(axis=1)).mean()
    print(f"same answers: {100 * same:.2f} %")
    print(f"edgebench / bare, images a second: median {statistics.median(ratios):.3f} of {_listed(ratios)}")


class _Job:
    """The same images and model for both ways."""

    def __init__(self, spec: Spec, count: int | None) -> None:
        self._device = LocalDevice()
        plan = make_plan(spec, "local", sys.executable, lambda python: probe_runtime(self._device, python, None, 120.0))
        case = plan.cases[0]
        self._outcome = Outcome(case, case.result(Status.INTERRUPTED))
        data = spec.data or DataSpec("phantom")
        evaluator = Evaluator(data)
        self._launcher = Launcher(self._device, 120.0)
        with self._launcher.open(case) as session:
            session.hello()
            self._outcome.update(inputs=self._launcher.load(case, session).inputs)
            needs: ImageNeeds = session.image_needs()
        self._outcome.update(latency=Latency(1, _ASSUMED_NS, float(_ASSUMED_NS)))
        self._outcome.reading = reading = evaluator.read(case.variant, needs)
        images = evaluator.images(reading.preprocessing)
        self._images = replace(images, items=images.items[:count])
        self._model = case.variant.file.path
        normalization = parse_normalization(str(data.normalize))
        self._mean, self._std = normalization.mean[0], normalization.std[0]

    def edgebench(self) -> np.ndarray:
        """Classify as ``edgebench run`` does."""
        classifier = Classifier(self._device, self._launcher, Progress(), lambda: None)
        with classifier.crew(self._outcome, len(self._images.items)) as crew:
            return crew.classify(self._images)

    def bare(self) -> np.ndarray:
        """Classify as one would by hand."""
        cores = len(os.sched_getaffinity(0))
        limits = np.linspace(0, len(self._images.items), cores + 1).astype(int)
        with tempfile.TemporaryDirectory() as folder:
            outs = [Path(folder, f"{number}.npy") for number in range(cores)]
            processes = []
            for out, (start, stop) in zip(outs, itertools.pairwise(limits), strict=True):
                what = (self._model, self._images.pixels_path, start, stop, self._mean, self._std, out)
                # In sessions of their own as edgebench's: some systems divide processor time by session.
                line = [sys.executable, str(_BARE), *map(str, what)]
                processes.append(subprocess.Popen(line, start_new_session=True))
            if any(process.wait() for process in processes):
                raise RuntimeError("the bare loop failed")
            return np.concatenate([np.load(out) for out in outs])


def _watched(classify: Callable[[], np.ndarray]) -> tuple[float, int, np.ndarray]:
    """Return the seconds that it takes, the most anonymous bytes of this process and its children, and the scores."""
    peak, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_S):
            here = psutil.Process()
            peak[0] = max(peak[0], sum(_anonymous_bytes(item.pid) for item in [here, *here.children(recursive=True)]))

    watcher = threading.Thread(target=look)
    watcher.start()
    start = time.perf_counter()
    try:
        scores = classify()
        seconds = time.perf_counter() - start
    finally:
        done.set()
        watcher.join()
    return seconds, peak[0], scores


def _anonymous_bytes(pid: int) -> int:
    try:
        text = Path("/proc", str(pid), "smaps_rollup").read_text(encoding="ascii")
    except OSError:  # it has ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Anonymous:"))


def _listed(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.3f}" for ratio in ratios)


if __name__ == "__main__":
    main()
