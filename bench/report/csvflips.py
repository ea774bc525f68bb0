"""The images whose answers changed as CSV, one row for each case and image."""

from __future__ import annotations

import csv
import io

import pandas as pd

from ..analysis.flips import find_flips
from ..records import RunRecord
from .flips import answered, baseline_of_each
from .naming import name_cases

HEADS = ("run_id", "case_id", "base_case_id", "image_id", "lesion_id", "label", "base_answer", "base_score", "answer",
         "score", "margin", "change")  # fmt: skip


def render_flips_csv(record: RunRecord, predictions: pd.DataFrame | None) -> str:
    """Return one header line and a line for each image that a case answers otherwise than its baseline, worst first.

    Unlike the other forms it has every case, also those that answer alike. Names are written as they are: open files
    from people you do not trust as text, since a spreadsheet runs cells that start with ``=``.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADS)
    if predictions is None:
        return out.getvalue()
    for case, base in baseline_of_each(record, name_cases(record.cases)):
        for flip in find_flips(predictions, answered(case), answered(base)).flips:
            writer.writerow((
                record.run_id, case.case_id, base.case_id, flip.image_id, flip.lesion_id, flip.label, flip.base_answer,
                flip.base_score, flip.answer, flip.score, flip.margin, flip.change.value,
            ))  # fmt: skip
    return out.getvalue()
