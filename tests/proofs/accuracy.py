"""How far the verdicts on accuracy can be trusted: simulates answers, judges them as a run does, prints figures.

Not a test: nothing here passes or fails.

    python tests/proofs/accuracy.py same --count 500
    python tests/proofs/accuracy.py worse --count 200
    python tests/proofs/accuracy.py worse --count 200 --together 0
    python tests/proofs/accuracy.py intervals --count 500

``same`` compares a model with a variant that is neither better nor worse but answers otherwise now and then: how often
is a class called worse? ``worse`` lets one class lose 15 images and gain 1 of each 100: how often is that class called
worse? ``intervals`` tells how often the intervals of recall and of its difference hold the truth. The seven classes
have as many images and lesions as HAM10000's test part. In the share ``--together`` of the lesions, all images change
alike.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgebench.analysis.proportions import share_interval
from edgebench.records import AccuracyComparison, AccuracyVerdict, PairedDifference
from simulated_answers import HAM10000_TEST, Images, changes_by_chance, judged, placed

#: A class of 100 images in place of mel's 154, with as many images a lesion as HAM10000 has on average.
HUNDRED = ("100 images", (100, 76))
_RIGHT = 0.7


def main() -> None:
    """Run one experiment and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=sorted(EXPERIMENTS))
    parser.add_argument("--count", type=int, default=100, help="comparisons (of each class, for worse)")
    parser.add_argument("--churn", type=float, default=0.10, help="share of images that change by chance alone")
    parser.add_argument("--together", type=float, default=0.5, help="share of lesions whose images change alike")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    EXPERIMENTS[options.experiment](options, np.random.default_rng(options.seed))


def _same(options: argparse.Namespace, rng: np.random.Generator) -> None:
    seen: Counter[str] = Counter()
    for _ in range(options.count):
        images = Images.drawn(HAM10000_TEST, rng)
        found = judged(images, changes_by_chance(images, options.churn, options.together, rng), rng)
        seen["any class worse"] += any(item.verdict is AccuracyVerdict.WORSE for item in found.classes)
        seen["any class better"] += any(item.verdict is AccuracyVerdict.BETTER for item in found.classes)
        for item in _overall(found):
            seen[f"{item.name} worse"] += item.verdict is AccuracyVerdict.WORSE
            seen[f"{item.name} better"] += item.verdict is AccuracyVerdict.BETTER
    print(f"no true difference, {100 * options.churn:g} % of the images change, {options.count} comparisons")
    for name, count in sorted(seen.items()):
        print(f"{name}: {count} ({100 * count / options.count:.1f} %)")


def _worse(options: argparse.Namespace, rng: np.random.Generator) -> None:
    print(f"one class loses 15 and gains 1 of each 100 images; {options.count} comparisons each")
    for name, (number, lesions) in {HUNDRED[0]: HUNDRED[1], **HAM10000_TEST}.items():
        sizes = dict(HAM10000_TEST)
        if name == HUNDRED[0]:
            del sizes["mel"]
            sizes[name] = (number, lesions)
        found: Counter[bool] = Counter()
        detectable = []
        for _ in range(options.count):
            images = Images.drawn(sizes, rng)
            changes = changes_by_chance(images, options.churn, options.together, rng)
            changes[images.truth == name] = 0
            lost, gained = round(0.15 * number), round(0.01 * number)
            changes += placed(images, name, lost, gained, options.together, rng)
            item = next(item for item in judged(images, changes, rng).classes if item.name == name)
            found[item.verdict is AccuracyVerdict.WORSE] += 1
            detectable.append(item.detectable or np.nan)
        share = 100 * found[True] / options.count
        print(
            f"{name}: {number} images of {lesions} lesions, {lost} lost, {gained} gained: found in {share:.1f} %; "
            f"could have shown {100 * float(np.median(detectable)):.1f} points (median)"
        )


def _intervals(options: argparse.Namespace, rng: np.random.Generator) -> None:
    held: Counter[str] = Counter()
    for _ in range(options.count):
        images = Images.drawn(HAM10000_TEST, rng)
        _, codes = np.unique(images.lesions, return_inverse=True)
        alike = (rng.random(codes.max() + 1) < options.together)[codes]
        right = np.where(alike, rng.random(codes.max() + 1)[codes], rng.random(len(codes))) < _RIGHT
        for name in images.classes:
            low, high = share_interval(right[images.truth == name], codes[images.truth == name])
            held[f"recall of {name}"] += low <= _RIGHT <= high
        found = judged(images, changes_by_chance(images, options.churn, options.together, rng), rng)
        for item in (*found.classes, *_overall(found)):
            if item.low is not None and item.high is not None:
                held[f"difference of {item.name}"] += item.low <= 0 <= item.high
    print(f"95 % intervals that held the truth, of {options.count}")
    for name, count in sorted(held.items()):
        print(f"{name}: {100 * count / options.count:.1f} %")


def _overall(found: AccuracyComparison) -> list[PairedDifference]:
    return [item for item in (found.top1, found.balanced_accuracy) if item is not None]


EXPERIMENTS = {"same": _same, "worse": _worse, "intervals": _intervals}

if __name__ == "__main__":
    main()
