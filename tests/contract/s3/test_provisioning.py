"""Provisioning, the same function for every provider: check, then apply."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contract.s3.killing import KilledError, dying
from contract.s3.providers import make_provider
from contract.s3.world import World
from devenv.errors import MissingError, UnhealthyError
from devenv.s3 import provision as module
from devenv.s3.external import External
from devenv.s3.provider import Connection, KeyPair
from devenv.s3.provision import Outcome, Wanted, provision
from devenv.s3.signed import prove

pytestmark = pytest.mark.contract
# Where there is no such API, a user and a policy are made by other means than ours.
needs_iam = pytest.mark.usefixtures("iam")


@dataclass(frozen=True)
class Seed:
    key: str
    text: bytes
    content_type: str = "text/csv"

    def body(self) -> bytes:
        return self.text


def wanted_anew(**more: Any) -> Wanted:
    mark = f"habari-contract-{secrets.token_hex(4)}"
    names = {"public": f"{mark}-public", "lake": f"{mark}-lake", "notebooks": f"{mark}-notebooks"}
    return Wanted(**names, user_name=f"{mark}-user", **more)


def run(connection: Connection, wanted: Wanted) -> Outcome:
    """Provision as a command does: it keeps a new key at once and knows it the next time."""
    kept: list[KeyPair] = []
    outcome = provision(connection, wanted, keep=kept.append)
    assert kept in ([], [outcome.user])
    return outcome


def prove_all(connection: Connection, wanted: Wanted, user: KeyPair) -> None:
    for bucket in wanted.buckets:
        prove(connection.endpoint_url, connection.region, user, bucket, timeout=20)


@needs_iam
def test_everything_is_made_once(connection: Connection) -> None:
    wanted = wanted_anew(seed=(Seed("gapminder/a.csv", b"1"), Seed("gapminder/b c.csv", b"2")))
    first = run(connection, wanted)
    assert len(first.changes) == 8
    prove_all(connection, wanted, first.user)
    second = run(connection, replace(wanted, known_key=first.user))
    assert (second.user, second.changes, second.notices) == (first.user, (), ())


@needs_iam
def test_a_run_killed_at_any_step_is_finished_by_the_next(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_client = module.client
    for step in itertools.count():
        wanted, kept = wanted_anew(seed=(Seed("a.csv", b"1"),)), []
        monkeypatch.setattr(module, "client", dying(real_client, step))
        try:
            provision(connection, wanted, keep=kept.append)
            finished = True
        except KilledError:
            finished = False
        monkeypatch.setattr(module, "client", real_client)
        again = provision(connection, replace(wanted, known_key=kept[-1] if kept else None), keep=kept.append)
        prove_all(connection, wanted, again.user)
        assert again.user == kept[-1]
        if finished:
            assert step > 10
            return


@needs_iam
def test_an_answer_that_is_not_kept_does_not_use_up_the_keys(connection: Connection) -> None:
    """AWS allows two keys a user; each run that dies between the key and its keeping leaves one."""
    wanted = wanted_anew()
    made = [run(connection, wanted).user for _attempt in range(4)]
    assert len(set(made)) == 4
    last = run(connection, replace(wanted, known_key=made[-1]))
    assert last.user == made[-1]
    assert len(last.notices) == 1
    prove_all(connection, wanted, made[-1])


@needs_iam
def test_a_key_that_was_switched_off_is_replaced(connection: Connection) -> None:
    wanted = wanted_anew()
    old = run(connection, wanted).user
    assert connection.admin and connection.iam_endpoint_url
    iam = module.client("iam", connection.iam_endpoint_url, connection.region, connection.admin)
    iam.update_access_key(UserName=wanted.user_name, AccessKeyId=old.access_key_id, Status="Inactive")
    new = run(connection, replace(wanted, known_key=old)).user
    assert new != old
    prove_all(connection, wanted, new)


@needs_iam
def test_a_policy_that_differs_is_written_again(connection: Connection) -> None:
    wanted = wanted_anew()
    user = run(connection, wanted).user
    s3 = module.client("s3", connection.endpoint_url, connection.region, user)
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.put_object(Bucket=wanted.public, Key="a", Body=b"")
    writable = replace(wanted, known_key=user, public_writable=True)
    assert run(connection, writable).changes == (f"policy of {wanted.user_name} written",)
    s3.put_object(Bucket=wanted.public, Key="a", Body=b"")
    s3.delete_object(Bucket=wanted.public, Key="a")
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.put_bucket_versioning(Bucket=wanted.public, VersioningConfiguration={"Status": "Enabled"})


@needs_iam
def test_a_public_bucket_that_another_project_made_is_shared(connection: Connection) -> None:
    first = wanted_anew(seed=(Seed("a.csv", b"1"),))
    run(connection, first)
    second = replace(wanted_anew(seed=first.seed), public=first.public)
    outcome = run(connection, second)
    assert f"bucket {first.public} created" not in outcome.changes
    assert not any("a.csv" in change for change in outcome.changes)
    prove_all(connection, second, outcome.user)


def test_seed_objects_are_renewed_and_a_persons_own_are_left(connection: Connection) -> None:
    wanted = wanted_anew(seed=(Seed("ours.csv", b"1"), Seed("theirs.csv", b"1")))
    user = run(connection, wanted).user
    assert connection.admin
    s3 = module.client("s3", connection.endpoint_url, connection.region, connection.admin)
    s3.put_object(Bucket=wanted.public, Key="theirs.csv", Body=b"edited")
    renewed = replace(wanted, known_key=user, seed=(Seed("ours.csv", b"2"), Seed("theirs.csv", b"2")))
    outcome = run(connection, renewed)
    assert outcome.changes == (f"{wanted.public}/ours.csv uploaded",)
    assert [notice for notice in outcome.notices if "theirs.csv" in notice]
    bodies = [
        s3.get_object(Bucket=wanted.public, Key=key)["Body"].read() for key in ("ours.csv", "theirs.csv")
    ]
    assert bodies == [b"2", b"edited"]
    assert s3.head_object(Bucket=wanted.public, Key="ours.csv")["ContentType"] == "text/csv"


@needs_iam
def test_proxy_variables_never_matter(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    wanted = wanted_anew()
    prove_all(connection, wanted, run(connection, wanted).user)


@needs_iam
def test_the_persons_own_aws_settings_never_matter(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = mars-north-1\nendpoint_url = http://127.0.0.1:9\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "of-somebody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALREALREALREAL")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    wanted = wanted_anew()
    prove_all(connection, wanted, run(connection, wanted).user)


@pytest.mark.usefixtures("taken_keys")
def test_a_key_that_was_chosen_before_becomes_the_users(connection: Connection) -> None:
    """Notebooks read the key from a file that is written before any server runs."""
    chosen = KeyPair("AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))
    wanted = wanted_anew(known_key=chosen)
    assert run(connection, wanted).user == chosen
    prove_all(connection, wanted, chosen)
    assert run(connection, wanted).changes == ()


def test_a_service_without_iam_gets_the_key_that_was_given(connection: Connection) -> None:
    """MinIO and the like: the buckets are made by the admin, the user's key is used as it is."""
    first = wanted_anew()
    user = run(connection, first).user
    without_iam = External(
        connection.endpoint_url, connection.region, user=user, admin=connection.admin
    ).start()
    outcome = run(without_iam, replace(first, seed=(Seed("a.csv", b"1"),)))
    assert outcome.user == user
    assert outcome.changes == (f"{first.public}/a.csv uploaded",)
    assert "no IAM API" in outcome.notices[0]


@needs_iam
def test_without_an_admin_missing_buckets_are_named(connection: Connection) -> None:
    first = wanted_anew()
    user = run(connection, first).user
    alone = External(connection.endpoint_url, connection.region, user=user).start()
    assert run(alone, first).user == user
    absent = replace(first, lake=f"{first.lake}-absent")
    with pytest.raises(MissingError) as told:
        run(alone, absent)
    assert f"{first.lake}-absent" in " ".join(told.value.details)


def test_proving_names_the_code_of_a_refusal(world: World) -> None:
    url, region = world.connection.endpoint_url, world.connection.region
    with pytest.raises(UnhealthyError, match="403, AccessDenied"):
        prove(url, region, world.user, world.buckets["other"])
    wrong = KeyPair(world.user.access_key_id, "x" * 40)
    with pytest.raises(UnhealthyError, match="403, SignatureDoesNotMatch"):
        prove(url, region, wrong, world.buckets["lake"])


def test_the_default_provider_has_it_all_after_the_next_start(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    provider = make_provider("ministack", tmp_path_factory)
    wanted = wanted_anew(seed=(Seed("a.csv", b"1"),))
    try:
        user = run(provider.start(), wanted).user
        provider.stop()
        connection = provider.start()
        prove_all(connection, wanted, user)
        assert run(connection, replace(wanted, known_key=user)).changes == ()
    finally:
        provider.stop()
