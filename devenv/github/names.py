"""What GitHub takes for a person's name."""

from __future__ import annotations

import re

MAX_LOGIN = 39

# Letters, digits and single hyphens between them. What a company's directory provisions (Enterprise Managed
# Users) ends in an underscore and a short code:
# https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference/username-considerations-for-external-authentication
_LOGIN = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?:_[A-Za-z0-9]{3,8})?")


def is_login(name: str) -> bool:
    """Whether GitHub could have an account of this name. Case does not count in any comparison."""
    return len(name) <= MAX_LOGIN and _LOGIN.fullmatch(name) is not None
