"""What every number in a report means."""

from __future__ import annotations

_GENERAL: tuple[tuple[str, str], ...] = (
    ("variant", "one .tflite file of a model: float32, float16, dynamic, int8 …"),
    ("case", "one variant on one device with one engine, delegate and thread count"),
    ("engine", "the runtime's API that runs the model: interpreter (classic) or compiled (CompiledModel)"),
    ("delegate", "code that takes over parts of the graph; default is whatever the runtime does by itself"),
    ("t1, t2 …", "threads asked for"),
    ("size MB", "the file's size; MB = 1,000,000 bytes everywhere"),
    ("load ms", "from opening the file until inputs can be set: reading, delegates, tensor allocation"),
    ("first ms", "the first inference after loading, which often prepares buffers; not part of p50 or p90"),
    ("latency", "wall time of one inference (invoke), warm-up excluded; input and output copies are not part of it"),
    ("warm-up", "runs before timing counts; kept with the samples, left out of every summary"),
    ("p50 ms, p90 ms", "the latency that 50 % or 90 % of the timed runs stay under; linear interpolation"),
    ("against base", "latency / the baseline's latency, below 1 is faster, with half the width of its 95 % interval; "
                     "measured in turns in the same blocks, each block with fresh worker processes, block = unit"),
    ("base", "the case that the others of its model are compared with: float32 unless --baseline names another"),
    ("block", "one set of fresh worker processes and the rounds of bursts they took turns in"),
    ("n too small", "a percentile is shown only from enough samples: p50 11, p90 64, p95 130, p99 662"),
    ("peak MB", "peak RSS: the kernel's high-water mark of resident memory (VmHWM) of a separate, clean worker "
                "process that only loads and runs the model; Python and the runtime are included"),
    ("delegated", "nodes of the graph that the delegate took / all nodes; parts = pieces of the graph it took them in; "
                  "all = every node, but the runtime gives no numbers; ? = it does not tell"),
    ("coverage", "full: the delegate took every node; partial: some; nothing: none; unknown: it is not told"),
    ("–", "absent, for the reason given; never zero"),
)  # fmt: skip
_ACCURACY: tuple[tuple[str, str], ...] = (
    ("top-1, top-2", "share of images whose true class has the highest score, or one of the two highest"),
    ("recall", "of the images of a class, the share answered as that class; n = images of the class"),
    ("precision", "of the images answered as a class, the share that are of it"),
    ("F1", "harmonic mean of precision and recall"),
    ("bal. acc.", "balanced accuracy: the mean of the recalls of the classes that have images, so that rare classes "
                  "weigh as much as common ones"),
    ("macro F1, weighted F1", "mean F1 over the classes with images: each class equal, or by its number of images"),
    ("confusion matrix", "counts of images; rows: true classes, columns: answers, colour: share of the row"),
    ("lesion", "the thing photographed; several images can show one lesion, so images are not independent"),
)  # fmt: skip
_PAGE: tuple[tuple[str, str], ...] = (
    ("p5, p25, p75, p95", "percentiles of the timed runs, drawn in the latency plot"),
    ("front", "the cases worth choosing between: no other case of the same model on the same device is better in p50 "
              "latency or accuracy and not worse in the other"),
    ("Python and runtime", "resident memory of the clean worker before the model is loaded"),
    ("scale, zero point", "quantized tensors: real value = scale × (stored value − zero point)"),
    ("runtime import", "time to import the runtime's Python package; not part of load"),
    ("SHA-256", "fingerprint of the model file: equal fingerprints are the same file"),
)  # fmt: skip
_ANSWERS: tuple[tuple[str, str], ...] = (
    ("95 % interval", "of 100 such sets of images, about 95 would give a range that holds the true figure; images of "
                      "one lesion count together"),
    ("points", "difference of two shares: from 0.63 to 0.51 is −12.0 points; case less baseline, on the same images"),
    ("worse, better", "the difference is shown: p ≤ 0.05 in the exact sign-flip test by lesion; for classes after "
                      "Holm's adjustment, since among many classes one differs by chance alone"),
    ("≈", "no difference shown, which is not the same as equal: could show says how small a difference would be seen"),
    ("could show", "the smallest difference in points that would have been found 4 times in 5 with these images"),
    ("gained, lost", "images that only this variant, or only the baseline, answers rightly"),
    ("p", "chance of a difference as large where there is none; of classes adjusted by Holm's method"),
    ("same answer", "share of images with the baseline's answer, whatever the true class is: needs no labels"),
    ("scores apart", "absolute difference of the two models' scores, over all images and classes"),
    ("changed answers", "images whose highest-scoring class differs from the baseline's"),
    ("margin", "how far, in the variant's own scores, its answer is ahead of the baseline's answer: near 0 the two "
               "were nearly equal and rounding decides; near 1 the variant is sure of its new answer"),
    ("operating point", "a threshold on one class's score, chosen on validation images to hold a specificity (share of "
                        "the other classes' images that stay below it)"),
    ("ECE", "expected calibration error: how far confidence and share of right answers are apart, over 15 bins; 0 is "
            "best"),
    ("Brier score", "mean squared distance of the scores from the truth, 0 (best) to 2"),
    ("AUC", "area under the ROC curve, class against the rest: 1 ranks all its images first, 0.5 is chance"),
)  # fmt: skip


def glossary(*, accuracy: bool, page: bool = False, answers: bool = False) -> list[tuple[str, str]]:
    """Return (term, meaning) for the numbers shown: with accuracy, on the HTML page, with answers compared."""
    terms = list(_GENERAL)
    terms += _ACCURACY if accuracy else ()
    terms += _ANSWERS if answers else ()
    terms += _PAGE if page else ()
    return terms
