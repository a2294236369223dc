"""``python -I -S launch.py``: start one program as somebody, which outlives whoever asked.

The request is one JSON object on standard input (no secret is in an argv), the answer one on standard
output: ``{"pid": …}``, or ``{"error": …}`` when the program cannot be started. With ``"wait": seconds`` it is
waited for and ended with all its group when the time is over: ``{"status": …}``, null when it took too long.

Standard library only and few imports: it runs once for each start of a server.
"""

import contextlib
import json
import os
import signal
import sys
import time
import warnings  # noqa: F401 - execvpe wants it after setuid, when the library may be out of reach


def main():
    request = json.load(sys.stdin)
    report, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(report)
        become(request, tell)
    os.close(tell)
    with os.fdopen(report) as told:
        error = told.read()  # ends when the program has taken over, or with why it did not
    if error:
        os.waitpid(child, 0)
        answer = {"error": error}
    elif request.get("wait"):
        answer = {"status": wait(child, request["wait"])}
    else:
        answer = {"pid": child}
    sys.stdout.write(json.dumps(answer))


def become(request, tell):
    """Turn this child into the program; what prevents it goes through ``tell``."""
    try:
        os.setsid()
        redirect(request["log"])
        if request.get("uid") is not None:
            os.setgroups([])
            os.setgid(request["gid"])
            os.setuid(request["uid"])
        os.umask(0o077)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores them, and what is ignored is inherited
        os.chdir(request["cwd"])
        place(request.get("files") or {})
        argv = request["argv"]
        os.execvpe(argv[0], argv, request["env"])  # noqa: S606
    except BaseException as error:
        name = getattr(error, "filename", None)
        os.write(tell, (getattr(error, "strerror", None) or repr(error)).encode())
        if name:
            os.write(tell, f": {os.fsdecode(name)}".encode())
    os._exit(127)


def redirect(log):
    """Nothing to read, all output to the end of the log; what else is open closes when the program starts."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for number in (nothing, output):
        if number > 2:
            os.close(number)


def place(files):
    """Put a folder of files into the program's folder unless it is there; done as the account itself."""
    for folder, texts in files.items():
        if os.path.lexists(folder):
            continue
        draft = f".{folder}.{os.getpid()}"
        try:
            os.mkdir(draft)  # noqa: PTH102 - pathlib would double the time that this program takes
            for name, text in texts.items():
                descriptor = os.open(f"{draft}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
            os.rename(draft, folder)  # noqa: PTH104
        except OSError as error:
            # a full disk or a home without rights: the server itself will tell, samples are no reason to fail
            os.write(2, f"notice: {folder} was not copied: {error.strerror}\n".encode())


def wait(child, seconds):
    """The program's exit code, or None when it had to be ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


if __name__ == "__main__":
    main()
