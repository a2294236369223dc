"""Copies and moves of files and folders: all of it, or nothing, or a plain word of what is where.

S3 has no rename. Everything is copied first, and only when all copies are there the originals are deleted; so
at any moment, a crash included, each file is whole in at least one of the two places.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from jupyter_buckets.journal import Journal
from jupyter_buckets.problems import ProblemError
from jupyter_buckets.trees import BucketTree, Item, Tree, copy_item

_AT_ONCE = 8
_NAMED = 3


class Mover:
    """``follow(old, new)`` is called for each file of a move, so that its checkpoint can follow it."""

    def __init__(self, journal: Journal, log: Any, marker: str, follow: Callable[[str, str], None]) -> None:
        self._journal, self._log, self._marker, self._follow = journal, log, marker, follow

    async def copy(self, source: Tree, target: Tree) -> int:
        """Copy; returns the number of files. On trouble what was copied is removed again, and told."""
        items = await _all(source)
        await self._copy_all(items, source, target, "copied")
        return len(items)

    async def move(self, source: Tree, target: Tree) -> int:
        """Move; returns the number of files. Raises a :class:`ProblemError` that says what is where."""
        if f"{target.path}/".startswith(f"{source.path}/"):
            raise ProblemError(400, f'"{source.path}" cannot be moved into itself.')
        items = await _all(source)
        if await target.exists():
            raise ProblemError(409, f'"{target.path}" exists already.')
        with self._journal.open(source.path, target.path, len(items)):
            await self._copy_all(items, source, target, "moved")
            await self._remove_originals(items, source, target)
        return len(items)

    async def _copy_all(self, items: list[Item], source: Tree, target: Tree, verb: str) -> None:
        async def copy(item: Item) -> None:
            await copy_item(item, source, target, self._marker)

        touched, problem = await _each(items, copy, lambda done: self._tell(done, len(items), source, target))
        if problem is None:
            return
        remaining = await target.remove(touched)
        if not remaining:
            raise ProblemError(
                problem.status_code, f"Nothing was {verb}. {problem.message}", code=problem.code
            )
        raise ProblemError(
            problem.status_code,
            f'"{source.path}" is as it was, but {len(remaining)} of its {len(items)} files were copied to'
            f' "{target.path}" and could not be removed there again ({_some(remaining, target)}).'
            f" {problem.message}",
        )

    async def _remove_originals(self, items: list[Item], source: Tree, target: Tree) -> None:
        changed = await _changed(items, source)
        keep = {item.suffix for item in changed}
        for item in items:
            if not item.suffix.endswith("/"):
                self._follow(source.path + item.suffix, target.path + item.suffix)
        remaining = await source.remove(item for item in items if item.suffix not in keep)
        if remaining and len(remaining) == len(items):
            await self._take_back(items, source, target, next(iter(remaining.values())))
        if remaining or keep:
            why = next(iter(remaining.values())).message if remaining else ""
            raise ProblemError(
                403 if remaining else 409,
                f'"{target.path}" has all {len(items)} files now, but {len(remaining) + len(keep)} are in'
                f' "{source.path}" still: {_told(remaining, keep, source)} {why}',
            )

    async def _take_back(self, items: list[Item], source: Tree, target: Tree, problem: ProblemError) -> None:
        remaining = await target.remove(items)
        for item in items:
            self._follow(target.path + item.suffix, source.path + item.suffix)
        left = f' {len(remaining)} copies remain in "{target.path}".' if remaining else ""
        raise ProblemError(
            problem.status_code, f"Nothing was moved.{left} {problem.message} A copy can be made.",
            code=problem.code)  # fmt: skip

    def _tell(self, done: int, of: int, source: Tree, target: Tree) -> None:
        if done % 500 == 0:
            self._log.info("%s -> %s: %d of %d copied", source.path, target.path, done, of)


async def _all(source: Tree) -> list[Item]:
    items = await source.items()
    if not items:
        raise ProblemError(404, f'There is no "{source.path}".')
    return items


async def _each(
    items: list[Item], work: Callable[[Item], Awaitable[None]], tell: Callable[[int], None]
) -> tuple[list[Item], ProblemError | None]:
    """Work on items, a few at once, up to the first problem; returns those that may have been done."""
    waiting = iter(items)
    touched: list[Item] = []
    problems: list[ProblemError] = []

    async def worker() -> None:
        for item in waiting:
            if problems:
                return
            try:
                await work(item)
            except ProblemError as problem:
                problems.append(problem)
                # what was not answered may have been done all the same
                if problem.status_code >= 500:
                    touched.append(item)
            else:
                touched.append(item)
                tell(len(touched))

    await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
    return touched, problems[0] if problems else None


async def _changed(items: list[Item], source: Tree) -> list[Item]:
    """Items that somebody wrote to since they were listed: deleting them would lose that."""
    if len(items) == 1 and isinstance(source, BucketTree):
        return []
    now = {item.suffix: item.found.etag for item in await source.items()}
    return [item for item in items if now.get(item.suffix, item.found.etag) != item.found.etag]


def _told(remaining: dict[str, ProblemError], changed: set[str], source: Tree) -> str:
    parts = []
    if remaining:
        parts.append(f"{_some(remaining, source)} could not be deleted.")
    if changed:
        parts.append(f"{_some(changed, source)} changed meanwhile.")
    return " ".join(parts)


def _some(suffixes: Iterable[str], tree: Tree) -> str:
    named = sorted(suffixes)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(f'"{tree.path}{suffix}"' for suffix in named[:_NAMED]) + more
