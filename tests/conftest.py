"""Which tests stay together and who comes first, when several workers share them.

A worker takes a whole file at a time. Files that use one hub, or one instance that is up, stay together:
each worker starts its own. The longest come first: who took a long one last would end long after the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).parent
# Longest first; a line of several files is one piece of work. What is not listed comes after, by folders.
ORDER = (
    (
        "integration/kind/test_hub_in_cluster.py",
        "integration/kind/test_two_projects.py",
        "integration/kind/test_projects_on_cluster.py",
        # breaks the cluster under everybody
        "integration/kind/test_cluster_survives.py",
    ),
    (
        "integration/hub/test_isolation.py",
        "integration/hub/test_notebook.py",
        "integration/hub/test_sign_in.py",
        "integration/hub/test_refusals.py",
        "integration/hub/test_browser.py",
        "integration/hub/test_servers.py",
        # stops the hub under everybody
        "integration/hub/test_strays.py",
    ),
    ("integration/process/test_crashes.py",),
    (
        "integration/process/test_everyday.py",
        "integration/process/test_external_s3.py",
        "integration/process/test_trouble.py",
    ),
    # by now their images are built, which CI begins with
    ("integration/compose/test_trouble.py",),
    ("integration/compose/test_runtime.py", "integration/compose/test_everyday.py"),
    ("integration/compose/test_by_hand.py",),
    ("integration/compose/test_saved_images.py",),
    ("contract/contents/test_buckets.py",),
    ("integration/hub/test_values.py",),
    ("integration/hub/test_restarts.py",),
    ("integration/process/test_s3_survives_kill.py",),
    ("contract/contents/test_lab.py",),
)
FOLDERS = ("integration", "contract", "unit")


def place(file: str) -> tuple[int, int, int]:
    """Where a test file, named from this folder, comes in the order."""
    for number, files in enumerate(ORDER):
        if file in files:
            return 0, number, files.index(file)
    folder = file.partition("/")[0]
    return 1, FOLDERS.index(folder) if folder in FOLDERS else -1, 0


def group(file: str) -> str:
    """What a worker takes with it: the first file of a piece of work."""
    return next((files[0] for files in ORDER if file in files), file)


def pytest_configure() -> None:
    gone = [file for files in ORDER for file in files if not (TESTS / file).is_file()]
    if gone:
        raise pytest.UsageError(f"tests/conftest.py orders files that are not there: {', '.join(gone)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place(item.path.relative_to(TESTS).as_posix()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """By groups where files are asked for; in this order, not by the number of tests."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LoadGroups(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(super()._split_scope(nodeid).removeprefix(f"{TESTS.name}/"))

    config.option.loadscopereorder = False
    return LoadGroups(config, log)
