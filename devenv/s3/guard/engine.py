"""The engine, imported with an environment of our own, mended, and loaded from the data folder."""

from __future__ import annotations

import os
from typing import Any

from . import actions, fixes, planes, storage
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
    actions.install(iam_actions)
    planes.install(app, iam_evaluator, s3, settings.root_access_key_id)

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
    s3.handle_request = _s3_calls(s3.handle_request, transactions, save_s3)
    iam.handle_request = _saving_calls(iam.handle_request, transactions, save_iam)
    sts.handle_request = _saving_calls(sts.handle_request, transactions, save_sts)
    return app.app


def _forget(*modules: Any) -> None:
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

    for module in modules:
        for value in vars(module).values():
            if isinstance(value, AccountScopedDict | AccountRegionScopedDict):
                value._data.clear()


def _s3_calls(handle: Any, transactions: Transactions, save: Any) -> Any:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any, *rest: Any, **named: Any
    ) -> Any:
        if method in ("PUT", "POST") and (refused := actions.body_refused(headers, body)):
            return refused
        call = handle(method, path, headers, body, query, *rest, **named)
        answer = transactions.run(call, save if _changes_configuration(method, path) else None)
        return fixes.name_condition(headers, answer)

    return handle_request


def _changes_configuration(method: str, path: str) -> bool:
    """Whether a path-style request can change a bucket's existence or settings, which only memory holds."""
    _bucket, _, key = path.lstrip("/").partition("/")
    return method in ("PUT", "DELETE") and not key


def _saving_calls(handle: Any, transactions: Transactions, save: Any) -> Any:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        if refused := actions.query_call_refused(headers, body, query):
            return refused
        return transactions.run(handle(method, path, headers, body, query), save)

    return handle_request
