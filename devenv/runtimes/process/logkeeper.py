"""Keeps the log files of one instance small, for as long as any of its services runs.

Started as a program of its own with nothing but the standard library (``python -I -S logkeeper.py
LOGS RECORDS``): services write to their file directly, so they lose nothing when this process dies.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from pathlib import Path

LIMIT = 10 * 1024 * 1024
KEEP = 3
PAUSE_SECONDS = 10
# A start that is recorded for longer than this was killed.
START_SECONDS = 900


def rotate(log: Path, *, limit: int = LIMIT, keep: int = KEEP) -> bool:
    """Copy a log above ``limit`` bytes to LOG.1 (older ones move up, the oldest goes) and empty it.

    The writers have it open in append mode: they go on at the new end of the same file.
    """
    try:
        if log.stat().st_size <= limit:
            return False
    except OSError:
        return False
    for number in range(keep - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    # a full disk must not keep the log from being emptied
    with contextlib.suppress(OSError):
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    with log.open("r+b") as handle:
        handle.truncate(0)
    return True


def anything_runs(records: Path) -> bool:
    """Whether a recorded service is there still. A recycled pid only makes us stay a little longer."""
    for path in records.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = json.loads(path.read_text())
            if path.stem == "logkeeper" or record.get("status") == "stopped":
                continue
            is_starting = record.get("status") == "starting"
            if is_starting and time.time() - record["since"] < START_SECONDS:
                return True
            if not is_starting and Path(f"/proc/{record['pid']}").exists():
                return True
    return False


def main(logs: Path, records: Path) -> None:
    """Look at every log each ten seconds; end when nothing runs any more."""
    while True:
        time.sleep(PAUSE_SECONDS)
        for log in logs.rglob("*.log"):
            rotate(log)
        if not anything_runs(records):
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
