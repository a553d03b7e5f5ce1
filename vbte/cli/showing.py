"""``vbte tables`` and ``vbte draw``: what is in a plan directory."""

from __future__ import annotations

import sys
from pathlib import Path

from vbte.adapters import load_adapter
from vbte.cli.console import output
from vbte.errors import InputError, UsageError
from vbte.read.plan_file import read_plan
from vbte.report.devices import device_view, devices_view
from vbte.report.map_svg import utilization_map
from vbte.report.text import printable
from vbte.tables import Tables, tables_from_directory
from vbte.tables.schema import DeviceTable
from vbte.write.atomic import write_file


def show_tables(directory: Path, device: str | None) -> None:
    """Print a line a device, or one device's tables. Raises InputError for tables that are not whole."""
    tables = tables_from_directory(directory)
    output().print(devices_view(tables) if device is None else device_view(_device(tables, device)))


def print_adapted(
    directory: Path, device: str | None, adapter: str, *, part: str | None, previous: Path | None
) -> None:
    """Print one part of a device's tables in its own words, and nothing else.

    Raises UsageError for unknown names, InputError for tables that the device can't take.
    """
    module = load_adapter(adapter)
    if device is None:
        raise UsageError("--adapter needs --device: text is printed for one device at a time")
    tables = tables_from_directory(directory)
    text = module.render(
        _device(tables, device),
        part=part or module.PARTS[0],
        classes=tables.manifest["classes"],
        previous=_text(previous) if previous else "",
    )
    sys.stdout.write(text)


def draw(directory: Path, out: Path) -> None:
    """Write the map of a plan. Raises InputError if the plan can't be read or the file can't be written."""
    if out.suffix.lower() != ".svg":
        raise UsageError(f"{out} is not named .svg; the map is an SVG file")
    plan = read_plan(directory)
    write_file(out, utilization_map(plan.instance.topology, plan.utilization.max(axis=0)).encode())


def _device(tables: Tables, name: str) -> DeviceTable:
    if name not in tables.devices:
        known = sorted(tables.devices)
        listed = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        raise UsageError(f"no device {printable(name)!r}; there is {listed}")
    return tables.devices[name]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"can't be read: {reason}", place=str(path)) from None
