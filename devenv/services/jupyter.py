"""JupyterLab for one person, with the contract in its environment."""

from __future__ import annotations

import hashlib
import json

from devenv.endpoints import View
from devenv.errors import ConflictError, UnhealthyError
from devenv.services import contract, kernel
from devenv.services.service import Service, Site
from devenv.waiting import NotYet

PROOF = "print(6 * 7)"


class JupyterService(Service):
    """Ready when a kernel has run a cell; answers when it knows this instance's token."""

    name = "jupyter"
    needs = ("s3", "postgres")

    def may_start(self, site: Site) -> bool:
        """Its environment needs the user's S3 key; every other part of the contract is known before."""
        return bool(site.vault.current.s3_access_key_id)

    def fingerprint(self, site: Site) -> str:
        """The contract: a running server hands the one it was started with to every kernel."""
        return hashlib.sha256(json.dumps(contract.user(site, site.view)).encode()).hexdigest()

    def answer(self, site: Site) -> str:
        endpoint = site.endpoint(self.name, View.HOST)
        try:
            kernel.ask(endpoint, site.vault.current.jupyter_token, "GET", "/api/status", seconds=3)
        except kernel.UnreachableError as error:
            raise NotYet(error.what) from error
        except UnhealthyError as error:
            raise ConflictError(
                f"what answers at {endpoint} does not know this instance's token: {error.what}",
                hint="End it, or fix ports.jupyter in devenv.yaml to another number",
            ) from error
        return "Lab answers"

    def prove(self, site: Site) -> None:
        endpoint = site.endpoint(self.name, View.HOST)
        try:
            printed = kernel.execute(endpoint, site.vault.current.jupyter_token, PROOF)
        except kernel.UnreachableError as error:
            raise NotYet(error.what) from error
        if printed.strip() != "42":
            raise UnhealthyError(f"a kernel ran {PROOF!r} and printed {printed.strip()!r}")

    def admin(self, site: Site, view: View) -> dict[str, str]:
        url = site.endpoint(self.name, view).url(host="localhost" if view is View.HOST else "")
        return {"JUPYTER_URL": url, "JUPYTER_TOKEN": site.vault.current.jupyter_token}

    @staticmethod
    def link(site: Site) -> str:
        """The address for a browser, with the token in it."""
        url = site.endpoint("jupyter", View.HOST).url("/lab", host="localhost")
        return f"{url}?token={site.vault.current.jupyter_token}"
