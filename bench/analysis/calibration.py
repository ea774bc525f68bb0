"""Are scores probabilities, and do they keep what they promise?

The expected calibration error is that of Guo, Pleiss, Sun and Weinberger ("On calibration of modern neural networks",
ICML 2017): images in 15 bins of equal width by their best score, (0, 1/15], (1/15, 2/15] and so on; in each bin the
distance between the mean score and the share of right answers, weighted with the bin's images. The Brier score is
Brier's own for several classes ("Verification of forecasts expressed in terms of probability", Monthly Weather Review
78, 1950): the sum over classes of (score - truth)^2, 0 to 2, averaged over images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BINS = 15
#: How far the scores of one image may add up to something else than 1: those of 8-bit outputs are rounded.
_SUM_TOLERANCE = 0.05


def why_not_probabilities(scores: Array) -> str | None:
    """Return why scores [images, classes] are no probabilities, None where they are."""
    low, high = float(scores.min()), float(scores.max())
    if low < 0 or high > 1 + 1e-6:
        return f"the scores are no probabilities: they lie between {low:.3g} and {high:.3g}"
    sums = scores.sum(axis=1)
    if abs(sums - 1).max() > _SUM_TOLERANCE:
        return f"the scores are no probabilities: those of an image add up to {sums.min():.3g} to {sums.max():.3g}"
    return None


def brier_of_images(true_columns: Array, scores: Array) -> Array:
    """Return each image's Brier score."""
    truth = np.zeros_like(scores)
    truth[np.arange(len(scores)), true_columns] = 1
    result: Array = ((scores - truth) ** 2).sum(axis=1)
    return result


def bin_gaps(true_columns: Array, scores: Array) -> Array:
    """Return [images, bins]: best score less 1 if right else 0, in the column of the image's bin, else 0."""
    best = scores.max(axis=1)
    right = scores.argmax(axis=1) == true_columns
    columns = np.clip(np.ceil(best * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.zeros((len(scores), BINS))
    gaps[np.arange(len(scores)), columns] = best - right
    return gaps


def calibration_error(gap_sums: Array, images: Array | float) -> Array:
    """Return the expected calibration error from sums [..., bins] of ``bin_gaps`` over so many images."""
    result: Array = np.abs(gap_sums).sum(axis=-1) / images
    return result
