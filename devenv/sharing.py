"""What a project holds of the servers that it shares with others: nobody else may hold it too."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from devenv import session
from devenv.cluster import slots
from devenv.cluster.place import Place
from devenv.cluster.slots import Slot
from devenv.errors import ConflictError, UsageError
from devenv.project import Project
from devenv.session import Session


def held(wanted: Project) -> set[str]:
    """What is the project's alone, in words: its lake and notebooks, its databases and their roles."""
    databases = (wanted.databases.hub, wanted.databases.explore)
    return {
        _bucket(wanted, wanted.buckets.lake),
        _bucket(wanted, wanted.buckets.notebooks),
        *(f"database {each.name}" for each in databases),
        *(f"role {each.user}" for each in databases),
    }


def require_nothing_shared(opened: Session) -> None:
    """Raise ConflictError when another project on the cluster has one of this one's buckets or databases.

    Nothing is guessed: the file of another project that is gone or not valid is a conflict as well.
    """
    for slot in slots.taken(Place.of(opened.instance)):
        if slot.project == opened.instance.name:
            continue
        both = sorted(_in_both(opened.project, _project_of(slot, opened)))
        if both:
            raise ConflictError(
                f"the project {slot.project} has the {', '.join(both)} too",
                hint="Nothing was changed; give one of them others in its project file",
            )


def _in_both(one: Project, other: Project) -> set[str]:
    """The public bucket may be in both, but not as another's own."""
    mine, theirs = held(one), held(other)
    return mine & (theirs | {_public(other)}) | theirs & {_public(one)}


def _public(wanted: Project) -> str:
    return _bucket(wanted, wanted.buckets.public)


def _bucket(wanted: Project, name: str) -> str:
    return f"bucket {name}" + (f" at {wanted.s3.endpoint}" if wanted.s3.endpoint else "")


def _project_of(slot: Slot, opened: Session) -> Project:
    """As its file has it now."""
    instance = dataclasses.replace(opened.instance, name=slot.project)
    try:
        file = session.remembered_file(instance) or (Path(slot.file) if slot.file else None)
        return Session.open(slot.project, project_file=file).project
    except UsageError as trouble:
        raise ConflictError(
            f"what the project {slot.project} has cannot be told: {trouble.what}",
            hint=f"Mend its file or put it back, or ./dev project.delete {slot.project}, then try again",
            details=trouble.details,
        ) from None
