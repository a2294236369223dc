"""Timing for the benchmarks: two things in turn, so that a machine whose speed drifts is fair to both."""

from __future__ import annotations

import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def dev(instance: str, *words: str) -> str:
    """Run ./dev for an instance and return what it printed; end with its error when it fails."""
    argv = [str(CHECKOUT / "dev"), *words, "--instance", instance]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}\n{done.stderr}")
    return done.stdout


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody has now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def in_turn(actions: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each action once a round, in a rotating order; the seconds that each one says it took."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    names = list(actions)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            taken[name].append(actions[name]())
            print(f"round {number + 1}/{rounds}  {name:<28} {taken[name][-1]:8.3f} s", flush=True)
    return taken


def summary(taken: dict[str, list[float]]) -> str:
    """A Markdown table of minimum, median and maximum."""
    lines = ["| what | min s | median s | max s |", "|---|---|---|---|"]
    for name, values in taken.items():
        lines.append(f"| {name} | {min(values):.3f} | {statistics.median(values):.3f} | {max(values):.3f} |")
    return "\n".join(lines)


def ratio(taken: dict[str, list[float]], of: str, to: str) -> float:
    """The median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(taken[of], taken[to], strict=True))
