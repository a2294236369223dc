"""Another engine than the one this code was written for is refused with a reason."""

from __future__ import annotations

import importlib.metadata
import sys
import types

import pytest

from devenv.s3.guard import reliance
from devenv.s3.guard.exits import MISSING, StartError


def other(_name: str) -> str:
    return "1.6.0"


def none(name: str) -> str:
    raise importlib.metadata.PackageNotFoundError(name)


@pytest.mark.parametrize(
    ("found", "told"), [(other, r"1\.6\.0.*1\.5\.33"), (none, "not installed")], ids=["other", "none"]
)
def test_another_version_or_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: object, told: str
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", found)
    with pytest.raises(StartError, match=told) as refused:
        reliance.check_version()
    assert refused.value.exit_code == MISSING


def test_every_difference_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = types.ModuleType("engine_in_small")
    engine.__dict__.update(changed=lambda a, c: None, kept=lambda a, b: None, data=1)
    monkeypatch.setitem(sys.modules, "engine_in_small", engine)
    relied_on = [("engine_in_small", name, "a b") for name in ("changed", "kept", "gone", "data")]
    monkeypatch.setattr(reliance, "_RELIED_ON", [*relied_on, ("no_such_engine", "x", "")])
    with pytest.raises(StartError) as refused:
        reliance.check_internals()
    line = str(refused.value)
    assert "changed takes (a c)" in line
    assert "gone is missing" in line
    assert "data is not a function" in line
    assert "no_such_engine cannot be imported" in line
    assert "kept" not in line
    assert "\n" not in line
