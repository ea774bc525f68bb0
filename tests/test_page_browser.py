"""Pages as a reader has them: in a real headless Chromium, on a phone, on a desktop, in the dark and on paper."""

from __future__ import annotations

import re
import socketserver
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chromium import DESKTOP, PHONE, VARIABLE, Browser, Page, find_chromium

sys.path.insert(0, str(Path(__file__).parent / "report"))

from edgebench.records import RunRecord, SkippedImage
from edgebench.report.html import render_html
from large_run import large_run
from samples import (
    DATA,
    HOSTILE,
    answers_compared,
    failed_case,
    hostile,
    predictions_of,
    samples_of,
)

# Half a minute that no other Python changes.
pytestmark = pytest.mark.slow

#: What a name can hold that ends a script, a line or a direction.
_ATTACKS = f"{HOSTILE}.tflite </script><script>alert(9)</script> \u2028\u2029 \u202egpj.exe"
_OF_CHROMIUM = re.compile(r"^[A-Z]+ (http://)?[a-z0-9.-]+\.(google|googleapis|gvt1)\.com[:/]")
_CHARTS_DRAWN = "document.querySelectorAll('.js-plotly-plot').length"
_LATENCIES = (
    "[...document.querySelectorAll('table.main tbody tr')].map(row => Number(row.querySelector('td:nth-of-type(%d)')"
    ".dataset.value))"
)


class _Recorder(socketserver.ThreadingTCPServer):
    """A proxy that answers nothing and keeps the first line of whatever asks it."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.asked: list[str] = []

    def foreign(self) -> list[str]:
        """Return what was asked for, less what Chromium asks its maker by itself; a page's own are in its requests."""
        return [line for line in self.asked if not _OF_CHROMIUM.search(line)]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Asked(socketserver.StreamRequestHandler):
    server: _Recorder

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline(1000).decode("latin-1").strip())


@pytest.fixture(scope="module")
def proxy() -> Iterator[_Recorder]:
    """A proxy for everything that Chromium asks for."""
    with _Recorder() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def browser(proxy: _Recorder) -> Iterator[Browser]:
    """A headless Chromium, or a skip that says how to provide one."""
    path = find_chromium()
    if path is None:
        pytest.skip(f"no Chromium here: set {VARIABLE} to one (.ci/chromium prints one)")
    with Browser(path, proxy.address) as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a usual run, of one with many doubts, of one full of attacks, and of fifty cases."""
    folder = tmp_path_factory.mktemp("pages")
    large = large_run(samples_per_case=3000)
    texts = {name: _rendered(record) for name, record in _records().items()}
    texts["large"] = render_html(large.record, large.samples, large.predictions)
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def _records() -> dict[str, RunRecord]:
    usual = answers_compared()
    attacked = hostile()
    environment = replace(attacked.environment, hostname=_ATTACKS, cpu_model=_ATTACKS)
    named = replace(attacked.cases[0], variant=_ATTACKS, file=replace(attacked.cases[0].file, path=_ATTACKS))
    data = replace(DATA, source=_ATTACKS, skipped=(SkippedImage(_ATTACKS, _ATTACKS),))
    attacked = replace(attacked, cases=(named, *attacked.cases[1:]), environment=environment, data=data)
    return {"usual": usual, "hostile": attacked}


def _rendered(record: RunRecord) -> str:
    return render_html(record, samples_of(record), predictions_of(record))


def _drawn(page: Page) -> Page:
    """Return the page once everything that a reader scrolls past is drawn."""
    page.scroll_through()
    page.wait_for(f"{_CHARTS_DRAWN} === document.querySelectorAll('[data-figure]').length")
    return page


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["usual", "hostile", "large"])
def test_everything_is_drawn_nothing_overflows_and_nothing_complains(
    browser: Browser, proxy: _Recorder, pages: dict[str, Path], name: str, width: int
) -> None:
    page = _drawn(browser.open(pages[name], width))
    assert page.evaluate(_CHARTS_DRAWN) >= 5
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.complaints == []
    assert page.requests == [pages[name].as_uri()]
    assert proxy.foreign() == []


def test_names_run_nothing(browser: Browser, pages: dict[str, Path]) -> None:
    page = _drawn(browser.open(pages["hostile"]))
    # Hover labels and legends are made by plotly.js from names.
    page.evaluate(
        "Plotly.Fx.hover(document.querySelector('[data-figure=tradeoff]'), [{curveNumber: 0, pointNumber: 0}])"
    )
    assert page.dialogs == []
    assert page.evaluate("document.querySelectorAll('img, main script, [onerror], [onload]').length") == 0
    text = page.evaluate("document.body.innerText")
    assert HOSTILE in text
    assert not set("\u202e\u2028\u2029\x1b") & set(text)


def test_the_recorder_sees_what_a_page_asks_for(browser: Browser, proxy: _Recorder, tmp_path: Path) -> None:
    greedy = tmp_path / "greedy.html"
    greedy.write_text('<img src="http://page.example/pixel.png"><script>console.error("seen")</script>')
    page = browser.open(greedy)
    page.wait_for("document.images[0].complete")
    assert [line for line in proxy.foreign() if "page.example" in line]
    assert page.requests == [greedy.as_uri(), "http://page.example/pixel.png"]
    assert "seen" in page.complaints
    proxy.asked.clear()


def test_tables_sort_by_value_with_mouse_and_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    page = browser.open(pages["usual"])
    heads = page.evaluate("[...document.querySelectorAll('table.main th[scope=col]')].map(head => head.innerText)")
    column = next(place for place, head in enumerate(heads) if head.startswith("p50"))
    head = f"table.main thead th:nth-child({column + 1})"
    latencies, state = _LATENCIES % column, f"document.querySelector('{head}').getAttribute('aria-sort')"
    before = page.evaluate(latencies)
    page.click(f"{head} button")
    assert page.evaluate(latencies) == sorted(before)
    assert page.evaluate(state) == "ascending"
    page.press("Enter")
    assert page.evaluate(latencies) == sorted(before, reverse=True)
    page.press(" ")
    assert page.evaluate(latencies) == before
    assert page.evaluate(state) == "none"


def test_a_reader_chooses_whose_runs_to_see(browser: Browser, pages: dict[str, Path]) -> None:
    page = _drawn(browser.open(pages["large"]))
    shown = "document.querySelector('[data-figure=distribution]').data.map(trace => trace.visible ? trace.name : '')"
    assert page.evaluate("document.querySelector('select[data-chooses=distribution]').options.length") >= 50
    before = [name for name in page.evaluate(shown) if name]
    page.evaluate(
        "(() => { const select = document.querySelector('select[data-chooses=distribution]');"
        " select.value = String(select.options.length - 1); select.dispatchEvent(new Event('change')); })()"
    )
    after = [name for name in page.evaluate(shown) if name]
    assert len(before) > len(after) == 3
    assert "ham10000_mobilenet_v2_140/float16 t1" in after


@pytest.mark.parametrize("dark", [False, True])
def test_colours_can_be_read(browser: Browser, pages: dict[str, Path], dark: bool) -> None:
    page = _drawn(browser.open(pages["usual"], dark=dark))
    ground = _luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert ground < 0.05 if dark else ground > 0.9
    for selector in (
        "body",
        ".soft",
        "a",
        "thead th",
        "dt",
        ".js-plotly-plot .xtick text",
        ".js-plotly-plot .legendtext",
    ):
        name = "fill" if "plotly" in selector else "color"
        colour = page.evaluate(f"getComputedStyle(document.querySelector({selector!r})).{name}")
        light, deep = sorted((_luminance(colour), ground), reverse=True)
        assert (light + 0.05) / (deep + 0.05) >= 4.5, selector


def _luminance(colour: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)`` as WCAG 2 defines it."""
    parts = [float(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_paper_has_plots_and_reasons_but_no_controls(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    page = browser.open(pages["usual"])
    page.wait_for("Boolean(window.Plotly)")
    page.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    # Printing drew all plots, seen or not, and closed again what it had opened.
    assert page.evaluate(_CHARTS_DRAWN) == page.evaluate("document.querySelectorAll('[data-figure]').length")
    why = "document.querySelector('details.why').open"
    assert page.evaluate(why) is False
    assert page.evaluate(f"(dispatchEvent(new Event('beforeprint')), {why})") is True
    page.media(paper=True)
    hidden = "[...document.querySelectorAll('nav, .choose')].every(one => getComputedStyle(one).display === 'none')"
    assert page.evaluate(hidden)


def test_links_of_the_navigation_lead_somewhere(browser: Browser, pages: dict[str, Path]) -> None:
    page = browser.open(pages["large"])
    missing = (
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(link => link.getAttribute('href'))"
        ".filter(place => !document.querySelector(place))"
    )
    assert page.evaluate(missing) == []


def test_without_any_row_there_is_nothing_to_run(browser: Browser, tmp_path: Path) -> None:
    record = replace(answers_compared(), cases=(failed_case(),))
    path = tmp_path / "failed.html"
    path.write_text(_rendered(record), encoding="utf-8")
    page = browser.open(path, PHONE)
    assert page.complaints == []
    assert "Did not finish" in page.evaluate("document.body.innerText")
