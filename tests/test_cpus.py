from __future__ import annotations

import pytest
from edgebench.cpus import cpu_list, cpu_numbers


@pytest.mark.parametrize(
    ("numbers", "listed"),
    [((0,), "0"), ((0, 1, 2, 3), "0-3"), ((8, 0, 1, 3, 4), "0-1,3-4,8"), ((2, 2, 10), "2,10")],
)
def test_cpus_in_the_kernels_list_format_and_back(numbers: tuple[int, ...], listed: str) -> None:
    assert cpu_list(numbers) == listed
    assert cpu_numbers(listed) == sorted(set(numbers))


def test_no_cpus_are_an_empty_list() -> None:
    assert cpu_list(()) == ""
