"""What ./dev runs: Invoke, with wrong use told as this toolkit tells it (one line, exit code 2).

Started by its path, before the checkout is importable: nothing of this package is imported here.
"""

from __future__ import annotations

import signal
import sys
from types import ModuleType
from typing import Any

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # until a task says otherwise, Ctrl-C just ends this: nothing has been started yet
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read_yaml(file: Any) -> Any:
    import yaml

    return yaml.safe_load(file)


# Invoke imports these for its version, for tests of other people's tasks and for settings that few people
# have: a quarter of the time in which a task starts. Whoever needs them later gets the real ones.
_STAND_INS: dict[str, dict[str, Any]] = {
    "importlib.metadata": {"version": lambda _name: ""},
    "unittest.mock": {"Mock": object},
    "invoke.vendor.yaml": {"safe_load": _read_yaml},
}
for _name, _content in _STAND_INS.items():
    sys.modules[_name] = ModuleType(_name)
    vars(sys.modules[_name]).update(_content)

from invoke.exceptions import Exit, ParseError  # noqa: E402
from invoke.program import Program  # noqa: E402

for _name in _STAND_INS:
    del sys.modules[_name]

WRONG_USE = 2


class Dev(Program):
    """Invoke's program; the tasks are those of the checkout's tasks.py."""

    def parse_core(self, argv: list[str] | None) -> None:
        try:
            super().parse_core(argv)
        except ParseError as error:
            raise self._wrong_use(error) from error
        # Invoke writes no bytecode unless asked to; compiling all of this anew would be felt each time
        sys.dont_write_bytecode = False

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except ParseError as error:
            raise self._wrong_use(error) from error
        except ValueError as error:  # what int() says of a flag's value
            raise Exit(f"error: a flag has a value of the wrong kind: {error}", code=WRONG_USE) from error

    def _wrong_use(self, error: ParseError) -> Exit:
        from difflib import get_close_matches

        said = str(error).rstrip("!.").replace("No idea what", "no idea what")
        known = [name for name in self.collection.task_names if name] if hasattr(self, "collection") else []
        words = [word.strip("'\"") for word in said.split()]
        near = next((match for word in words for match in get_close_matches(word, known, 1, 0.7)), "")
        task = error.context.name if error.context is not None and error.context.name else ""
        asking = f"./dev --help {task}" if task else "./dev --list"
        hint = f"Did you mean {near}? " if near and near != task else ""
        return Exit(f"error: {said}. {hint}{asking} tells what there is", code=WRONG_USE)


if __name__ == "__main__":
    Dev(name="dev", binary="dev", binary_names=["dev"]).run()
