"""A notebook executed in Jupyter's container: taken in, run there, and its outputs taken out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from devenv import commands
from devenv.errors import UnhealthyError
from devenv.notebooks import CellRan, Executed, Transcript, check

PYTHON = "/opt/habari/bin/python"
SCRIPT = "/opt/habari/bin/execute_notebook.py"
# An exec goes on when its client is gone. This one's standard input is ours, and the run ends with it.
_GUARDED = """
exec 3<&0
"$@" </dev/null 3<&- &
run=$!
{ read -r _ <&3; kill "$run"; } >/dev/null 2>&1 &
watch=$!
wait "$run"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
"""


def run(
    container: str,
    file: Path,
    *,
    contract: Mapping[str, str],
    environ: Mapping[str, str],
    output: Path | None,
    timeout: float | None,
    on_cell: Callable[[CellRan], None],
) -> Executed:
    """As :func:`devenv.notebooks.run`, in the container: what it promises and raises is the same.

    ``contract`` names the secrets to mask; ``environ`` is the caller's, for the Docker CLI.
    """
    check(file, output)
    # a folder of its own: two runs of one notebook do not meet
    folder = f"/tmp/habari-run-{secrets.token_hex(8)}"  # noqa: S108 - the container's own
    inside, result = f"{folder}/{file.name}", f"{folder}/.executed"
    _docker(("exec", container, "mkdir", "-m", "0700", folder), environ)
    transcript = Transcript(file, contract, on_cell)
    options = [*(("--output", result) if output else ()), *(("--timeout", f"{timeout:g}") if timeout else ())]
    script = ("bash", "-c", _GUARDED, "run", PYTHON, SCRIPT, inside, *options)
    words = ("docker", "exec", "--interactive", "--workdir", folder, container, *script)
    try:
        _docker(("exec", "--interactive", container, "tee", inside), environ, stdin=file.read_text("utf-8"))
        code = commands.stream(words, transcript.take, env=environ, holds_stdin=True)
        if output:
            _take_out(container, result, output, environ)
    finally:
        commands.run(("docker", "exec", container, "rm", "-rf", folder), env=environ, check=False)
    return transcript.conclude(code, output)


def _take_out(container: str, result: str, output: Path, environ: Mapping[str, str]) -> None:
    done = commands.run(("docker", "exec", container, "cat", result), env=environ, check=False)
    if done.code:
        return  # it did not come to writing anything: the transcript tells why
    draft = output.with_name(f".{output.name}.new")
    draft.write_text(done.stdout, encoding="utf-8")
    draft.replace(output)


def _docker(words: tuple[str, ...], environ: Mapping[str, str], stdin: str | None = None) -> None:
    done = commands.run(("docker", *words), env=environ, stdin=stdin, check=False)
    if done.code:
        said = tuple((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise UnhealthyError("Jupyter's container takes no command", details=said)
