"""One piece of work in a process of its own: its time, its memory, and whatever it had when patience ran out.

    python bench/alone.py TASK.json RESULT.json      # what ``run`` starts; nobody has to call it by hand

A contender's memory can only be told in a process of its own, and a solver that heeds no limit can only be stopped
from outside. The process says that it is ready when its inputs are there, and only then does patience begin. It
writes its result, whole or not at all, each time that it has something better.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

READY = "ready"

#: What a process may take for its inputs, and beyond its patience to stop by itself.
SETUP_S, GRACE_S = 900.0, 20.0

Record = dict[str, Any]


def run(task: str, spec: Record, *, patience_s: float, memory_gb: float | None = None) -> Record:
    """Return what ``task``, as ``module:function``, has reported about ``spec``, and how it ended.

    ``stopped`` is empty when it ended by itself, else ``patience``, ``memory`` or what it said before it died;
    ``peak_mb`` is its largest resident memory, inputs and libraries included, ``inputs_mb`` what those took alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "task.json", Path(folder) / "result.json"
        asked.write_text(json.dumps({"task": task, "spec": spec, "memory_gb": memory_gb}), encoding="utf-8")
        with (Path(folder) / "errors.txt").open("w+", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, __file__, str(asked), str(told)], stdout=subprocess.PIPE, stderr=errors, text=True
            )
            peak_mb, stopped = _watched(process, patience_s)
            errors.seek(0)
            said = errors.read().strip().splitlines()
        record: Record = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    if process.returncode and not stopped:
        stopped = "memory" if said and "MemoryError" in said[-1] else (said or ["died without a word"])[-1][:200]
    return {**record, "peak_mb": max(round(peak_mb, 1), record.get("peak_mb", 0.0)), "stopped": stopped}


def _watched(process: subprocess.Popen[str], patience_s: float) -> tuple[float, str]:
    """Wait for a process, end it when its patience is over; return the largest memory seen and why it was ended."""
    killer = threading.Timer(SETUP_S, process.kill)
    killer.start()
    assert process.stdout is not None
    ready = process.stdout.readline().strip() == READY
    killer.cancel()
    stopped = ""
    try:
        process.wait(timeout=patience_s + GRACE_S if ready else GRACE_S)
    except subprocess.TimeoutExpired:
        peak = peak_mb(process.pid)
        stopped = "patience"
        process.kill()
        process.wait()
        return peak, stopped
    finally:
        process.stdout.close()
    return 0.0, stopped


def peak_mb(process: int | str = "self") -> float:
    """Return the largest resident memory of a process so far, megabytes.

    Linux counts in the memory of whoever started a process when it answers ``getrusage``; its own status doesn't.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if process == "self" else 0.0
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _perform(asked: Path, told: Path) -> None:
    """Do the task that a file describes; the other end of ``run``."""
    order = json.loads(asked.read_text(encoding="utf-8"))
    if order["memory_gb"]:
        most = int(order["memory_gb"] * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    module, _, function = order["task"].partition(":")
    work: Callable[..., None] = getattr(importlib.import_module(module), function)
    inputs: Record = {}

    def ready() -> None:
        inputs.update(inputs_mb=round(peak_mb(), 1), cpu=time.process_time())
        print(READY, flush=True)

    def report(record: Record) -> None:
        cpu_s = time.process_time() - inputs["cpu"]
        kept = {**record, "cpu_s": round(cpu_s, 4), "peak_mb": round(peak_mb(), 1), "inputs_mb": inputs["inputs_mb"]}
        beside = told.with_suffix(".part")
        beside.write_text(json.dumps(kept), encoding="utf-8")
        beside.replace(told)

    work(order["spec"], ready, report)


if __name__ == "__main__":
    _perform(Path(sys.argv[1]), Path(sys.argv[2]))
