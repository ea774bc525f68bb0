"""What every page is made with: templates, a policy that lets nothing out, scripts that nothing can end early."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from .charts import Chart


@dataclass(frozen=True)
class Scripts:
    """What a page may run, and what that needs.

    ``packed`` is plotly.js, compressed: the page unpacks and runs it once it has been painted. ``figures`` is what the
    plots are drawn from. Both are empty without plots; ``inline`` are the page's own scripts.
    """

    policy: str
    packed: Markup
    figures: Markup
    inline: tuple[Markup, ...]


def scripts(charts: Sequence[Chart], *, sortable: bool = False) -> Scripts:
    """Return what a page with these charts runs; ``sortable`` where it has tables that can be sorted."""
    names = [*(["tables.js"] if sortable else []), *(["report.js"] if charts else [])]
    texts = [template(name) for name in names]
    figures = {
        chart.key: {
            "data": chart.traces,
            "layout": chart.layout,
            **({"choices": [list(choice.traces) for choice in chart.choices]} if chart.choices else {}),
        }
        for chart in charts
    }
    return Scripts(
        policy=policy([*texts, plotly_js() if charts else ""]),
        packed=own(_packed_plotly() if charts else ""),
        figures=own(safe_json(figures) if charts else ""),
        inline=tuple(own(text) for text in texts),
    )


@functools.cache
def _packed_plotly() -> str:
    # A third of the size. Without a time stamp: the same page comes out the same.
    return base64.b64encode(gzip.compress(plotly_js().encode(), mtime=0)).decode()


def environment(**functions: Callable[..., str]) -> Environment:
    """Return the templates' environment: escapes everything, and a name that is missing is an error.

    ``functions`` can be called in templates.
    """
    package = __name__.rpartition(".")[0]
    made = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(functions)
    return made


def template(name: str) -> str:
    """Return the text of a file beside the templates."""
    package = __name__.rpartition(".")[0]
    return resources.files(package).joinpath("templates", name).read_text(encoding="utf-8")


def plotly_js() -> str:
    """Return plotly.js."""
    # Imported here: only the HTML page pays for it.
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def policy(scripts: Sequence[str]) -> str:
    """Return a content security policy that admits exactly these inline scripts and no request at all.

    A name that slipped through escaping could still not run: its hash is not listed.
    """
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts if text)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {allowed}"


def own(text: str) -> Markup:
    """Return ``text`` unescaped: only for this package's files, plotly.js and ``safe_json``'s output."""
    return Markup(text)  # noqa: S704


def safe_json(value: object) -> str:
    """Return JSON that cannot end its script element: ``<`` and its like are written as escapes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
