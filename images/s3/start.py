"""The start of the S3 container: the server, then buckets, user, policy and seed by the real APIs, each time.

With S3_SERVE_ONLY=true nothing is provisioned: that is done from outside, for several projects.

Variables: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (the project's user), S3_BUCKET_NAME_PUBLIC, _LAKE and
_NOTEBOOKS, AWS_DEFAULT_REGION, S3_USER_NAME, S3_PUBLIC_WRITABLE, S3_INSTANCE; S3_ADMIN_ACCESS_KEY_ID,
S3_ADMIN_SECRET_ACCESS_KEY and S3_GUARD_TOKEN together, or they are made and kept in the volume. Each may
come as NAME_FILE. Starts as root to read such files and to own the volume, and goes on as the account s3.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import wanted as settings

from devenv.errors import DevenvError, UnhealthyError
from devenv.s3 import signed
from devenv.s3.provider import Connection, KeyPair
from devenv.s3.provision import client, provision

RUN = Path("/tmp/habari-s3")  # noqa: S108 - the container's own
READY = RUN / "provisioned"
BELIEVED = Path("/tmp/habari-usable")  # noqa: S108 - of the health check
START_SECONDS = 60
URL = f"http://127.0.0.1:{settings.PORT}"


def own_the_volume(account: pwd.struct_passwd) -> None:
    for folder, _folders, files in os.walk(settings.DATA):
        for path in (folder, *(os.path.join(folder, name) for name in files)):  # noqa: PTH118
            if os.lstat(path).st_uid != account.pw_uid:
                os.lchown(path, account.pw_uid, account.pw_gid)


def drop_root() -> None:
    """Go on as the account s3; under `docker run -u` there is nothing to drop."""
    if os.geteuid() != 0:
        return
    account = pwd.getpwnam("s3")
    own_the_volume(account)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def write_config(admin: settings.Admin) -> Path:
    RUN.mkdir(mode=0o700, exist_ok=True)
    READY.unlink(missing_ok=True)
    config = RUN / "s3.json"
    config.touch(mode=0o600)
    content = {
        "host": "0.0.0.0",  # noqa: S104 - the container's own network; what is published is the caller's matter
        "port": settings.PORT,
        "data_dir": str(settings.DATA / "data"),
        "root_access_key_id": admin.key.access_key_id,
        "root_secret_access_key": admin.key.secret_access_key,
        "admin_token": admin.token,
        "instance": settings.value("S3_INSTANCE", "container"),
    }
    config.write_text(json.dumps(content))
    return config


def wait_for(server: subprocess.Popen[bytes], token: str) -> None:
    """Return once the server answers as itself; end with its code when it ended."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        if (code := server.poll()) is not None:
            raise SystemExit(code)
        connection = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=2)
        try:
            connection.request("GET", "/_devenv/health", headers={"X-Devenv-Token": token})
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        if time.monotonic() > deadline:
            settings.stop(f"the server does not answer after {START_SECONDS} s", 4)
        time.sleep(0.02)


def set_up(admin: settings.Admin, user: KeyPair) -> None:
    """Provision, and prove it as a notebook would use it."""
    connection = Connection(URL, settings.region(), admin.key, iam_endpoint_url=URL, takes_keys=True)
    outcome = provision(connection, settings.wanted(user), keep=lambda _key: None)
    for line in (*outcome.changes, *outcome.notices):
        sys.stderr.write(f"s3: {line}\n")
    if outcome.user != user:
        settings.stop(f"the user's key is {outcome.user.access_key_id}, not the one that was given", 4)
    try:
        signed.prove(URL, settings.region(), user, settings.lake())
    except UnhealthyError:
        # the volume knows another secret for this key: it is made anew, with the one that is given now
        iam = client("iam", URL, settings.region(), admin.key)
        iam.delete_access_key(UserName=settings.user_name(), AccessKeyId=user.access_key_id)
        provision(connection, settings.wanted(user), keep=lambda _key: None)
        signed.prove(URL, settings.region(), user, settings.lake())
    READY.touch()
    sys.stderr.write("s3: ready\n")


def main() -> int:
    user = None if settings.serves_only() else settings.user_key()
    admin = settings.given_admin()
    # left by an earlier start of this container; root's, when a health check made it
    BELIEVED.unlink(missing_ok=True)
    drop_root()
    if not os.access(settings.DATA, os.W_OK):
        settings.stop(f"{settings.DATA} may not be written by uid {os.geteuid()}. Give the volume to it", 5)
    os.umask(0o077)
    admin = admin or settings.kept_admin()
    argv = (sys.executable, "-I", "/opt/app/devenv/s3/guard", str(write_config(admin)))
    server = subprocess.Popen(argv, env={})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: server.send_signal(got))
    try:
        wait_for(server, admin.token)
        if user is None:
            READY.touch()
        else:
            set_up(admin, user)
        return server.wait()
    except DevenvError as error:
        if server.poll() is not None:  # it was asked to stop meanwhile
            return server.returncode
        sys.stderr.write("\n".join((f"s3: {error}", *error.details)) + "\n")
        return error.exit_code
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    sys.exit(main())
