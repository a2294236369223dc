"""Ctrl-C: the first time in good order, the second time at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devenv import interrupts

ROOT = Path(__file__).parents[3]
STUBBORN = """
import sys, time
from devenv import interrupts
with interrupts.orderly():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("cleaning", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_the_first_signal_raises_and_says_what_happens(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.orderly():
        os.kill(os.getpid(), number)
        time.sleep(10)

    assert capfd.readouterr().err == "\nstopping in good order; once more ends it at once\n"


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in interrupts.SIGNALS]

    with interrupts.orderly():
        assert [signal.getsignal(number) for number in interrupts.SIGNALS] != before

    assert [signal.getsignal(number) for number in interrupts.SIGNALS] == before


def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.orderly():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_second_signal_ends_at_once_even_in_the_middle_of_the_clean_up() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "cleaning\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=10)

    assert child.returncode == interrupts.INTERRUPTED
    assert "./dev up or ./dev down puts things in order" in said
