"""The flags about images that several commands share, and what they come to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    from .spec import DataSpec

#: Flags that mean nothing without images.
NEED_DATA = (
    "metadata", "labels", "split", "limit", "normalize", "resize", "grayscale", "max_bad", "operating_point",
    "eval_workers", "recommend",
)  # fmt: skip


def add_image_flags(data: argparse._ArgumentGroup, images: str = "all") -> None:
    """Add the flags that say which images, and how they become inputs; ``images`` tells how many by default."""
    data.add_argument(
        "--data",
        metavar="SOURCE",
        help="folder:DIR (one sub-folder per class), ham10000:DIR, images:DIR (no labels) or phantom",
    )
    data.add_argument("--metadata", type=Path, metavar="FILE", help="CSV with image_id and dx")
    data.add_argument("--labels", type=Path, metavar="FILE", help="one label a line, in the model's output order")
    data.add_argument(
        "--split",
        choices=("test", "validation", "train", "all"),
        help="part of the card's split to evaluate (test, where a card has a split)",
    )
    data.add_argument("--limit", type=int, metavar="N", help=f"evaluate N images, drawn by class ({images})")
    data.add_argument("--normalize", metavar="HOW", help="-1..1, 0..1, 0..255, imagenet or MEAN/STD")
    data.add_argument("--resize", metavar="HOW", help="stretch (default), crop, pad")
    data.add_argument("--grayscale", metavar="HOW", help="skip (default) or convert, for RGB models")
    data.add_argument("--max-bad", type=float, metavar="SHARE", help="tolerated share of bad images (0.05)")


def add_accuracy_flags(data: argparse._ArgumentGroup) -> None:
    """Add the flags that say how answers are judged."""
    data.add_argument(
        "--operating-point",
        action="append",
        metavar="LABEL:specificity=SHARE",
        help="recall of a class at this specificity, threshold from the card's validation part (repeatable)",
    )
    add_recommend(data)
    data.add_argument(
        "--eval-workers", type=int, metavar="N", help="classify in N processes (as many as the usable cores allow)"
    )


def add_recommend(to: argparse._ActionsContainer) -> None:
    """Add ``--recommend`` to a parser or a group of one."""
    to.add_argument(
        "--recommend",
        action="append",
        metavar="RULE",
        help="what a variant must keep to be recommended: balanced=-1pt,recall:mel=-2pt,top1=-1pt,no-class-worse "
        "(default: balanced=-2pt,no-class-worse)",
    )


def data_spec(options: argparse.Namespace) -> DataSpec | None:
    """Return what the flags about images say, None without ``--data``. Raises UsageError for a flag that needs it."""
    from .images.cache import GrayscalePolicy
    from .images.geometry import ResizeMode
    from .images.unseen import SplitChoice
    from .spec import DataSpec, parse_choice

    if options.data is None:
        for name in NEED_DATA:
            if getattr(options, name, None) is not None:
                raise UsageError(f"--{name.replace('_', '-')} is about images: it needs --data SOURCE")
        return None
    judged = {} if not hasattr(options, "operating_point") else _judged(options)
    return DataSpec(
        source=options.data,
        metadata=options.metadata,
        labels=options.labels,
        limit=options.limit,
        normalize=options.normalize,
        resize=parse_choice(ResizeMode, options.resize, "--resize") if options.resize else None,
        grayscale=parse_choice(GrayscalePolicy, options.grayscale or "skip", "--grayscale"),
        max_bad_fraction=0.05 if options.max_bad is None else options.max_bad,
        split=SplitChoice(options.split) if options.split else None,
        **judged,
    )


def _judged(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the flags of :func:`add_accuracy_flags` say, as fields of a DataSpec."""
    from .rule import parse_rule
    from .spec import parse_operating_point

    return {
        "operating_points": tuple(parse_operating_point(text) for text in options.operating_point or ()),
        "eval_workers": options.eval_workers,
        "rule": parse_rule(options.recommend or ()),
    }
