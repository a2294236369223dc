"""boto3's clients. Importing it takes a tenth of a second, so the store does that with its first call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import boto3
import botocore.session
import botocore.utils
from boto3.s3.transfer import TransferConfig
from botocore.config import Config


def client(*, connect_seconds: float, read_seconds: float, calls: int, **arguments: Any) -> Any:
    """A client for S3 with room for so many ``calls`` at once; ``arguments`` are boto3's own."""
    config = Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=calls,
    )
    return _session().client("s3", config=config, **arguments)


def in_parts(*, above: int, of: int) -> TransferConfig:
    """What is larger than ``above`` goes in parts ``of`` so many bytes, one after the other."""
    return TransferConfig(multipart_threshold=above, multipart_chunksize=of, use_threads=False)


def _session() -> boto3.session.Session:
    """A session that reads the dates of S3's lists quickly: botocore's way takes half the time of a list."""
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_read_date)
    return boto3.session.Session(botocore_session=session)


def _read_date(told: Any) -> datetime:
    try:
        # headers have whole seconds; one object must not seem to have two dates
        return datetime.fromisoformat(told).replace(microsecond=0)
    except (TypeError, ValueError):
        slowly: datetime = botocore.utils.parse_timestamp(told)
        return slowly
