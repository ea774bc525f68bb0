"""Generated dermatoscopy-like images of seven lesion classes: the embedded data set.

The pictures stand in for HAM10000 where no data set is at hand (demo, tests, continuous integration). They
are drawn from hand-written class profiles, contain no patient data and say nothing about real skin.
"""

from __future__ import annotations

from .render import render_phantom
from .spec import LABELS, NATURAL_COUNTS, PhantomImage, PhantomSpec, class_shares, plan_phantom

__all__ = [
    "LABELS",
    "NATURAL_COUNTS",
    "PhantomImage",
    "PhantomSpec",
    "class_shares",
    "plan_phantom",
    "render_phantom",
]
