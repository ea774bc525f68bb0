"""Rendering a page costs: each is rendered once for all tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from edgebench.report.html import render_html
from samples import (
    answers_compared,
    empty_samples,
    fifty_cases,
    four_variants,
    hostile,
    only_failures,
    predictions_of,
    samples_of,
    without_accuracy,
)


@pytest.fixture(scope="session")
def page() -> str:
    """The flagship run's page."""
    record = four_variants()
    return render_html(record, samples_of(record), predictions_of(record))


@pytest.fixture(scope="session")
def answers_page() -> str:
    """The page of a run whose answers were compared, without pictures."""
    record = answers_compared()
    return render_html(record, samples_of(record), predictions_of(record))


@pytest.fixture(scope="session")
def hostile_page() -> str:
    """The page of a run whose names are attacks."""
    record = hostile()
    return render_html(record, samples_of(record), predictions_of(record))


@pytest.fixture(scope="session")
def big_page() -> str:
    """The page of a run with 50 cases."""
    record = fifty_cases()
    return render_html(record, samples_of(record), predictions_of(record))


@pytest.fixture(scope="session")
def plain_page() -> str:
    """The page of a run without images and without samples."""
    return render_html(without_accuracy(), empty_samples(), None)


@pytest.fixture(scope="session")
def failed_page() -> str:
    """The page of a run in which nothing worked."""
    return render_html(only_failures(), empty_samples(), None)
