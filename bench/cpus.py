"""Lists of CPUs as people and the kernel write them, for those who touch no device."""

from __future__ import annotations

from .worker.affinity import cpu_list, cpu_numbers

__all__ = ["cpu_list", "cpu_numbers"]
