"""What the container is told by its environment, and the secrets that nobody else needs to know."""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from devenv import seed
from devenv.s3.provider import KeyPair
from devenv.s3.provision import Wanted

DATA = Path("/var/lib/s3")
SEED = Path("/opt/seed")
PORT = 9000
WRONG_USE = 2
_ADMIN = ("S3_ADMIN_ACCESS_KEY_ID", "S3_ADMIN_SECRET_ACCESS_KEY", "S3_GUARD_TOKEN")


def stop(what: str, code: int = WRONG_USE) -> NoReturn:
    """End the container with one line."""
    sys.stderr.write(f"s3: {what}\n")
    raise SystemExit(code)


def value(name: str, default: str = "") -> str:
    """A variable, or the first line of the file that its ``_FILE`` twin names."""
    if said := os.environ.get(name):
        return said
    file = os.environ.get(f"{name}_FILE")
    if not file:
        return default
    try:
        return Path(file).read_text().partition("\n")[0] or default
    except OSError as error:
        stop(f"{name}_FILE names {file}, which cannot be read: {error.strerror}", 5)


def serves_only() -> bool:
    """Whether buckets and users are somebody else's affair."""
    return value("S3_SERVE_ONLY").lower() == "true"


@dataclass(frozen=True)
class Admin:
    """Root's key and the token of the guard's own address."""

    key: KeyPair
    token: str = field(repr=False)


def user_key() -> KeyPair:
    """The key that notebooks have; an empty one ends the container."""
    found = {name: value(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    if empty := [name for name, said in found.items() if not said]:
        hint = os.environ.get("HOW_TO_FILL", "Set it in the environment of this container")
        stop(f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty. {hint}")
    return KeyPair(*found.values())


def given_admin() -> Admin | None:
    """The administrator's secrets when the environment has them, all three; they are kept nowhere then."""
    found = [value(name) for name in _ADMIN]
    if any(found) and not all(found):
        stop(f"{', '.join(_ADMIN)} are given together or not at all")
    return Admin(KeyPair(found[0], found[1]), found[2]) if all(found) else None


def kept_admin() -> Admin:
    """The administrator's secrets that an earlier start of this volume made, or new ones."""
    file = DATA / "admin.json"
    if not file.exists():
        made = ("AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), secrets.token_urlsafe(24))
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(made))
        draft.replace(file)
    key_id, secret, token = json.loads(file.read_text())
    return Admin(KeyPair(key_id, secret), token)


def region() -> str:
    return value("AWS_DEFAULT_REGION", "us-east-1")


def lake() -> str:
    return value("S3_BUCKET_NAME_LAKE", "habari-lake")


def user_name() -> str:
    return value("S3_USER_NAME", "habari")


def wanted(user: KeyPair) -> Wanted:
    """Buckets, user, policy and seed, under the names that notebooks find in their environment."""
    return Wanted(
        public=value("S3_BUCKET_NAME_PUBLIC", "habari-public"),
        lake=lake(),
        notebooks=value("S3_BUCKET_NAME_NOTEBOOKS", "habari-notebooks"),
        user_name=user_name(),
        public_writable=value("S3_PUBLIC_WRITABLE").lower() == "true",
        known_key=user,
        seed=seed.seed_objects(SEED),
    )
