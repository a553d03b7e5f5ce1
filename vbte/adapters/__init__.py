"""Adapters: one device's tables (schema ``vbte.tables/1``) as text that the device takes.

An adapter is a module with ``PARTS`` and ``render``, and one line in ``ADAPTERS``; see README.md beside this file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from vbte.errors import UsageError

#: Name of each adapter -> its module, imported when it is first asked for.
ADAPTERS: Mapping[str, str] = {"linux": "vbte.adapters.linux"}


class Render(Protocol):
    """What every adapter's ``render`` looks like."""

    def __call__(
        self, device: Mapping[str, Any], *, part: str = ..., classes: Sequence[str] = ..., previous: str = ...
    ) -> str:
        """Return one part of a device's configuration, ending in a newline, the same bytes for the same tables.

        ``device`` is a device document of schema ``vbte.tables/1``, ``part`` one of the adapter's ``PARTS`` (the
        first by default), ``classes`` the manifest's class names, which keep numbers alike on all devices, and
        ``previous`` the text printed for the same device and part last time, so that what is gone can be removed.
        Raises InputError for tables that the device can't carry out, UsageError for an unknown part.
        """


class Adapter(Protocol):
    """What every adapter module holds: the names of the parts it prints, the main one first, and ``render``."""

    @property
    def PARTS(self) -> tuple[str, ...]:  # noqa: N802  (a constant of a module)
        """Names of the parts."""

    @property
    def render(self) -> Render:
        """The function that prints a part."""


def load_adapter(name: str) -> Adapter:
    """Return the adapter's module. Raises UsageError for a name that ``ADAPTERS`` does not have."""
    if name not in ADAPTERS:
        raise UsageError(f"unknown adapter {name!r}; there is {', '.join(sorted(ADAPTERS))}")
    return cast(Adapter, import_module(ADAPTERS[name]))
