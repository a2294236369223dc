"""The engine, imported with an environment of our own, mended, and loaded from the data folder."""

from __future__ import annotations

import os
from typing import Any

from . import actions, bulk_delete, fixes, given_key, planes, storage, subresources
from .answers import Answer, error_answer
from .exits import MISSING, StartError
from .journal import Journal, JournalDamagedError
from .reliance import check_internals, check_version
from .settings import Settings
from .storage import Storage
from .transactions import Transactions
from .uploads import Uploads


def load_engine(settings: Settings) -> Any:
    """The engine's ASGI application over ``settings.data_dir``: what was acknowledged, and no more.

    Changes ``os.environ``: of the caller's it keeps nothing. Raises :class:`StartError`.
    """
    check_version()
    _own_environment(settings)
    journal = Journal(settings.data_dir)
    try:
        journal.recover()
        kept = Storage(settings.data_dir, journal)
        check_internals()
        return _assemble(settings, journal, kept)
    except JournalDamagedError as error:
        raise StartError(MISSING, str(error)) from None
    except OSError as error:
        raise StartError(
            MISSING, f"cannot use {error.filename or settings.data_dir}: {error.strerror}"
        ) from None


def _own_environment(settings: Settings) -> None:
    """The engine reads dozens of variables, of AWS's and its own, at import and later."""
    os.environ.clear()
    os.environ.update(
        AUTH="true",
        SERVICES=",".join(planes.SERVICES),
        MINISTACK_ACCOUNT_ID="000000000000",
        MINISTACK_REGION="us-east-1",
        AWS_ACCESS_KEY_ID=settings.root_access_key_id,
        AWS_SECRET_ACCESS_KEY=settings.root_secret_access_key,
        GATEWAY_PORT=str(settings.port),
        LOG_LEVEL=settings.log_level,
        S3_DATA_DIR=str(settings.data_dir / "objects"),
        # Off while the module is imported: it would load the objects before our functions are in.
        S3_PERSIST="0",
        PERSIST_STATE="0",
    )


def _assemble(settings: Settings, journal: Journal, kept: Storage) -> Any:
    from ministack import app
    from ministack.core import iam_actions, iam_evaluator
    from ministack.services import iam, s3, sts

    uploads = Uploads(s3, kept.uploads, journal)
    transactions = Transactions(journal, settings.data_dir, s3.logger)
    storage.install(s3, kept, journal)
    uploads.install()
    fixes.install(s3)
    actions.install(app, iam_actions, s3)
    planes.install(app, iam_evaluator, s3, settings.root_access_key_id)
    given_key.install(iam, settings.root_access_key_id)

    def save_iam() -> None:
        kept.save("iam", iam.get_state())

    def save_sts() -> None:
        kept.save("sts", sts._sessions)

    def save_s3() -> None:
        kept.save("s3", s3.get_state())

    def load() -> None:
        _forget(s3, iam)
        iam.load_persisted_state(kept.load("iam"))
        sts._sessions.clear()
        sts._sessions.update(kept.load("sts") or {})
        transactions.listen(s3._load_persisted_data)
        s3.load_persisted_state(kept.load("s3"))
        uploads.load()

    load()
    transactions.on_failure(load)
    s3.handle_request = _s3_calls(app, iam_evaluator, s3, transactions, save_s3)
    iam.handle_request = _saving_calls(iam.handle_request, transactions, save_iam)
    sts.handle_request = _saving_calls(sts.handle_request, transactions, save_sts)
    return app.app


def _forget(*modules: Any) -> None:
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

    for module in modules:
        for value in vars(module).values():
            if isinstance(value, AccountScopedDict | AccountRegionScopedDict):
                value._data.clear()


def _s3_calls(app: Any, evaluator: Any, s3: Any, transactions: Transactions, save: Any) -> Any:
    handle = s3.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any, *rest: Any, **named: Any
    ) -> Any:
        bucket, key = s3._parse_bucket_key(path, headers)
        access_key = app.extract_access_key_id(headers, query)
        if refused := (
            subresources.refused(method, key, query)
            or actions.form_refused(method, key, headers, access_key)
            or (actions.body_refused(headers, body) if method in ("PUT", "POST") else None)
        ):
            return refused
        told = ""
        if actions.is_bulk_delete(method, key, query):
            if refused := _stranger(app, headers, query, access_key):
                return refused
            may = _may_delete(evaluator, access_key, app.extract_region(headers, query), bucket, headers)
            refused, body, told = bulk_delete.split(s3, body, may)
            if refused:
                return refused
        call = handle(method, path, headers, body, query, *rest, **named)
        answer = transactions.run(call, save if not key and method in ("PUT", "DELETE") else None)
        return bulk_delete.tell(fixes.name_condition(headers, answer), told)

    return handle_request


def _stranger(app: Any, headers: dict[str, str], query: Any, access_key: str) -> Answer | None:
    """The refusal of a caller whose credentials fail, or who has none."""
    if not access_key:
        return error_answer(403, "AccessDenied", "Access Denied")
    failed: Answer | None = app._authenticate_only("s3", headers, query, "")
    return failed


def _may_delete(
    evaluator: Any, access_key: str, region: str, bucket: str, headers: dict[str, str]
) -> bulk_delete.May:
    bypass = headers.get("x-amz-bypass-governance-retention", "").strip().lower() == "true"

    def may(key: str, version: str) -> bool:
        needed = ["s3:DeleteObjectVersion" if version else "s3:DeleteObject"]
        needed += ["s3:BypassGovernanceRetention"] if bypass else []
        arn = actions.resource(bucket, key)
        return all(
            evaluator.enforce(access_key, action, "s3", region, resource_arn=arn) is None for action in needed
        )

    return may


def _saving_calls(handle: Any, transactions: Transactions, save: Any) -> Any:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        if refused := actions.query_call_refused(headers, body, query):
            return refused
        return transactions.run(handle(method, path, headers, body, query), save)

    return handle_request
