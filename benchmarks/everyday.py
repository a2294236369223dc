"""The commands of every day beside `invoke --list` of an empty tasks file; and what idle services weigh.

    .venv/bin/python benchmarks/everyday.py [--rounds 10]

An instance called `bench-everyday` is used and purged.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import measure

CHECKOUT = Path(__file__).resolve().parent.parent
INSTANCE = "bench-everyday"


dev = partial(measure.dev, INSTANCE)


def empty_list(folder: str) -> None:
    """Invoke with nothing to do; it exits with 0 or 1 by version."""
    argv = [sys.executable, "-I", "-m", "invoke", "--list"]
    subprocess.run(argv, cwd=folder, capture_output=True, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    dev("up")
    try:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "tasks.py").write_text("")
            taken = measure.in_turn(
                {
                    "invoke --list, no tasks": lambda: measure.seconds(lambda: empty_list(folder)),
                    "up when all runs": lambda: measure.seconds(lambda: dev("up")),
                    "status": lambda: measure.seconds(lambda: dev("status")),
                    "env": lambda: measure.seconds(lambda: dev("env")),
                },
                rounds,
            )
        services = json.loads(dev("status", "--json"))["services"]
    finally:
        dev("down", "--purge")
    print(measure.summary(taken))
    floor = statistics.median(taken["invoke --list, no tasks"])
    for name in ("up when all runs", "status", "env"):
        print(f"{name}: invoke --list + {statistics.median(taken[name]) - floor:.3f} s")
    mebibytes = {each["name"]: each["memory_bytes"] / 2**20 for each in services}
    print("PSS: " + ", ".join(f"{name} {size:.0f} MiB" for name, size in mebibytes.items()))
    print(f"PSS of PostgreSQL and S3: {mebibytes['postgres'] + mebibytes['s3']:.0f} MiB")


if __name__ == "__main__":
    main()
