"""What a page of fifty cases costs its reader: size, first paint, time until its plots are drawn, requests.

It prints figures and judges nothing. The run is the tests' own: five models, four variants, 20,000 samples and 1,502
answers a case. Chromium runs headless; each opening is a fresh browser profile's first look at the file. Times count
from the navigation. Plots wait until a reader comes near them: "all plots" is until the last is drawn by somebody who
scrolls through as fast as the page lets them.

    python tests/proofs/page.py --repeats 5
    python tests/proofs/page.py --page results/RUN/report.html --pictures shots
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "report"))

from chromium import DESKTOP, PHONE, VARIABLE, Browser, Page, find_chromium
from edgebench.report.html import render_html
from large_run import large_run

_PAINT = "(performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime"
_MARKS = (
    "performance.getEntriesByType('mark').filter(mark => mark.name.startsWith('figure ')).map(mark => mark.startTime)"
)
_LEFT = "document.querySelectorAll('[data-figure]:not(.js-plotly-plot)').length"


def main() -> int:
    """Print the figures for a phone and a desktop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, help="a page to look at, instead of one with fifty cases")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write pictures and a PDF there")
    args = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print(f"no Chromium here: set {VARIABLE} to one (.ci/chromium prints one)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        page = args.page or _large(Path(scratch) / "large.html")
        print(f"size: {page.stat().st_size / 1e6:.2f} MB")
        for width in (PHONE, DESKTOP):
            _report(chromium, page, width, args.repeats)
        if args.pictures:
            _pictures(chromium, page, args.pictures)
    return 0


def _large(path: Path) -> Path:
    run = large_run()
    path.write_text(render_html(run.record, run.samples, run.predictions), encoding="utf-8")
    return path


def _report(chromium: str, path: Path, width: int, repeats: int) -> None:
    paints, first_plots, all_plots = [], [], []
    requests, complaints = 0, []
    for _ in range(repeats):
        with Browser(chromium) as browser:
            page = browser.open(path, width)
            page.wait_for(f"{_PAINT} !== undefined")
            paints.append(float(page.evaluate(_PAINT)))
            _draw_all(page)
            marks = page.evaluate(_MARKS)
            first_plots.append(min(marks, default=0.0))
            all_plots.append(max(marks, default=0.0))
            requests += len(page.requests) - 1
            complaints += page.complaints
    print(f"{width} px, {repeats} openings, ms, median (smallest to largest):")
    for name, values in (("first paint", paints), ("first plot", first_plots), ("all plots", all_plots)):
        print(f"  {name}: {statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})")
    print(f"  requests beside the page itself: {requests}; errors and warnings: {len(complaints)}")


def _draw_all(page: Page) -> None:
    page.scroll_through()
    page.wait_for(f"{_LEFT} === 0")


def _pictures(chromium: str, path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with Browser(chromium) as browser:
        for width in (PHONE, DESKTOP):
            for dark in (False, True):
                page = browser.open(path, width, dark=dark)
                _draw_all(page)
                page.evaluate("scrollTo(0, 0)")
                page.picture(folder / f"{width}{'-dark' if dark else ''}.png", whole=True, width=width, height=9000)
        page = browser.open(path)
        page.wait_for("Boolean(window.Plotly)")
        page.pdf(folder / "page.pdf")


if __name__ == "__main__":
    sys.exit(main())
