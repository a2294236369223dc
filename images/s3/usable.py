"""Succeeds when everything is provisioned and the notebooks' own key lists the lake."""

from __future__ import annotations

import sys

import start
import wanted as settings

from devenv.errors import DevenvError
from devenv.s3 import signed

if not start.READY.exists():
    sys.exit("not provisioned yet")
try:
    signed.prove(start.URL, settings.region(), settings.user_key(), settings.lake())
except DevenvError as error:
    sys.exit(str(error))
