"""A cluster that runs and is whole, whatever was there before: made, started again, or made anew."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from devenv import processes
from devenv.cluster import config, loading, service_addresses
from devenv.cluster.kind import Kind
from devenv.cluster.node import Node
from devenv.cluster.place import Place
from devenv.commands import Leash
from devenv.environments import CHECKOUT
from devenv.errors import DevenvError, InterruptedByUser

FILE = CHECKOUT / "kind-config.yaml"
_STEP = re.compile(r"[•✓✗]\s*(?P<step>[\w ()/.:@-]+)")


class Making:
    """Brings one cluster up. ``tell`` gets a few words for each step."""

    def __init__(
        self, place: Place, node: Node, kind: Kind, environ: Mapping[str, str], leash: Leash
    ) -> None:
        self._place = place
        self._node = node
        self._kind = kind
        self._environ = environ
        self._leash = leash

    def bring_up(
        self,
        image: str,
        ports: Mapping[str, int],
        images: Mapping[str, str],
        tell: Callable[[str], None],
        *,
        may_hold_them: bool = False,
        once_made: Callable[[], object] = lambda: None,
    ) -> bool:
        """Have it running, with ``images`` (ids by name) in it; False when it ran already.

        A node's ``image`` that ``may_hold_them`` is asked for them before they are written out. ``once_made``
        is called when kind has made it, while its pods begin. What a killed attempt left is removed first. A
        failed one leaves the node's logs and no cluster.
        """
        if self._node.is_whole():
            runs = self._node.is_running()
            if not runs:
                tell("starting its node again")
                self._node.start()
            self._keep_in()
            return not runs
        self._end_strays()
        if self._node.container() is not None:
            tell("removing half a cluster of an earlier attempt")
            self._kind.delete()
        self._write_config(ports)
        try:
            with ThreadPoolExecutor(max_workers=1) as pool:
                loaded = pool.submit(self._load_when_it_answers, images, may_hold_them)
                try:
                    self._kind.create(image, lambda line: _tell_step(line, tell))
                except BaseException:
                    self._leash.pull()
                    raise
                once_made()
                self._keep_in()
                tell("taking images")
                loaded.result()
        except BaseException as error:
            self._clean_up(error)
            raise
        self._node.note_whole(image)
        return True

    def wait_for_network(self, renew: Callable[[], object]) -> None:
        """Wait until pods reach the cluster's own API, see :func:`service_addresses.wait_until_served`."""
        subnet = config.service_subnet(self._place.config)
        service_addresses.wait_until_served(self._place.node, subnet, self._environ, self._leash, renew)

    def load(self, images: Mapping[str, str]) -> list[str]:
        """Give the node what it lacks of ``images``; the names of that."""
        names = loading.missing(self._place.node, images, self._environ)
        loading.bring(self._place, names, self._environ, self._leash)
        return names

    def load_by_name(self, images: Mapping[str, str]) -> list[str]:
        """Give the node those of ``images`` that it has none of that name of; the names of that."""
        names = loading.nameless(self._place.node, images, self._environ)
        loading.bring(self._place, names, self._environ, self._leash)
        return names

    def _load_when_it_answers(self, images: Mapping[str, str], may_hold_them: bool) -> None:
        if may_hold_them:
            loading.wait_for_store(self._place.node, self._environ, self._leash)
            self.load(images)
        else:
            loading.bring(self._place, tuple(images), self._environ, self._leash, is_being_made=True)

    def _end_strays(self) -> None:
        """End a kind that outlived its command, and forget its lock: kind never breaks one that was left."""
        strays = processes.marked(self._place.instance.mark("kind"))
        processes.end(strays, first=signal.SIGTERM, seconds=10)
        kubeconfig = self._place.kubeconfig
        kubeconfig.with_name(f"{kubeconfig.name}.lock").unlink(missing_ok=True)

    def _keep_in(self) -> None:
        # asked each time: the engine may have started the node again without us
        subnet = config.service_subnet(self._place.config)
        service_addresses.keep_in(self._place.node, subnet, self._environ)

    def _write_config(self, ports: Mapping[str, int]) -> None:
        self._place.mark.mkdir(exist_ok=True)
        self._place.config.write_text(config.render(FILE, self._place, ports), encoding="utf-8")

    def _clean_up(self, error: BaseException) -> None:
        """No wreck of ours stays; of a failure that nobody wished for, the logs do."""
        with contextlib.suppress(DevenvError):
            if self._node.container() is None:
                return
            if isinstance(error, DevenvError) and not isinstance(error, InterruptedByUser):
                folder = self._place.instance.logs / f"kind-{time.strftime('%Y%m%d-%H%M%S')}"
                self._kind.export_logs(folder)
                error.details = (*error.details, f"the node's logs: {folder}")
        with contextlib.suppress(DevenvError):
            self._kind.delete()


def _tell_step(line: str, tell: Callable[[str], None]) -> None:
    if found := _STEP.search(line):
        tell(found["step"].strip().lower())
