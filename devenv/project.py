"""What is wanted: ``devenv.yaml`` and the environment, read once, checked whole, frozen.

Without a file and without a ``HABARI_*`` variable everything has a default. The file is checked against
the dataclasses here, without pydantic, whose import takes longer than a quick command may.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.yaml_lines import Document, KeyPath

FILE_NAME = "devenv.yaml"
SAMPLE_NAME = "devenv.sample.yaml"
PREFIX = "HABARI_"
# The instance of the one cluster that all projects of a checkout share: no project may be called so.
CLUSTER_NAME = "kind"

_LARGEST_FILE_BYTES = 64 * 1024
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_RESERVED_BUCKET_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_BUCKET_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_TAKEN_NAMESPACES = ("default", "local-path-storage")
_WORD = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_-")


def environment() -> dict[str, str]:
    """A copy of this process's environment: the one place where it is read."""
    return dict(os.environ)


def forget_libpq_settings() -> None:
    """Take ``PG*`` out of this process's environment: PGSERVICE would win over what libpq is told."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def check_name(value: str) -> None:
    """A DNS label (RFC 1123), because it becomes a host name and a Kubernetes namespace.

    Every default that is made from a name that passes here is valid too.
    """
    if not 2 <= len(value) <= 32:
        raise ValueError(f"must have 2 to 32 characters, has {len(value)}")
    if not set(value) <= _LOWER | {"-"} or "-" in (value[0], value[-1]):
        raise ValueError("must be lower-case letters, digits and inner hyphens")
    if f"{value}-".startswith(("pg-", *_RESERVED_BUCKET_STARTS)):
        reserved = ", ".join(_RESERVED_BUCKET_STARTS)
        raise ValueError(f"must not start with pg- (PostgreSQL keeps it) or with {reserved} (S3 keeps them)")
    if value == CLUSTER_NAME:
        raise ValueError(f"must not be {CLUSTER_NAME}: the cluster that all projects share is called so")
    if value in _TAKEN_NAMESPACES or value.startswith("kube-"):
        raise ValueError("must not be a namespace that every cluster has: undeploying would delete it")


def _check_bucket_name(value: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    if not 3 <= len(value) <= 63:
        raise ValueError(f"a bucket name must have 3 to 63 characters, has {len(value)}")
    if not set(value) <= _LOWER | {"-", "."}:
        raise ValueError("a bucket name has only lower-case letters, digits, hyphens and dots")
    if not {value[0], value[-1]} <= _LOWER:
        raise ValueError("a bucket name starts and ends with a letter or a digit")
    if ".." in value:
        raise ValueError("a bucket name has no two dots in a row")
    parts = value.split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        raise ValueError("a bucket name must not look like an IP address")
    if value.startswith(_RESERVED_BUCKET_STARTS) or value.endswith(_RESERVED_BUCKET_ENDS):
        reserved = ", ".join(_RESERVED_BUCKET_STARTS + _RESERVED_BUCKET_ENDS)
        raise ValueError(
            f"a bucket name must have none of the beginnings and ends that AWS keeps: {reserved}"
        )


def _check_database_word(value: str) -> None:
    """PostgreSQL cuts names at 63 bytes and keeps some for itself (CREATE ROLE, CREATE DATABASE)."""
    if not 1 <= len(value) <= 63:
        raise ValueError(f"must have 1 to 63 characters, has {len(value)}")
    if not set(value) <= _WORD:
        raise ValueError("must be letters, digits, underscores and hyphens")
    if value in ("postgres", "template0", "template1", "public", "none") or value.startswith("pg_"):
        raise ValueError(f"{value} is a name that PostgreSQL keeps for itself")


def _check_region(value: str) -> None:
    if not value or not set(value) <= _LOWER | {"-"}:
        raise ValueError("must be a region's name such as us-east-1")


def _check_endpoint(value: str) -> None:
    """The value is never repeated: a URL that somebody pasted may carry a password."""
    from urllib.parse import urlsplit

    try:
        url = urlsplit(value)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise ValueError("must be a URL such as http://127.0.0.1:9000")
    if url.username is not None or url.password is not None:
        raise ValueError("must carry no user and no password; keys come from the environment")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("must be a scheme, a host and a port, with nothing after them")


def _check_provider(value: str) -> None:
    if value == "moto":
        raise ValueError(
            "moto is for test suites, inside their own process: it keeps nothing; use ministack or external"
        )
    if value not in ("ministack", "external"):
        raise ValueError(f"expected ministack or external, got {_shown(value)}")


def _check_binaries(value: str) -> None:
    if value not in ("wheel", "system") and not _is_usable_path(value, absolute=True):
        raise ValueError("expected wheel, system or the absolute path of a folder")


def _check_login(value: str) -> None:
    """https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference"""
    words = value.split("-")
    if not 1 <= len(value) <= 39 or not all(word.isascii() and word.isalnum() for word in words):
        raise ValueError(f"{_shown(value)} is no GitHub login: letters, digits and single inner hyphens")


def _check_organizations(value: Mapping[str, tuple[str, ...]]) -> None:
    for name, members in value.items():
        organization, _, team = name.partition(":")
        _check_login(organization)
        if ":" in name and not team:
            raise ValueError(f"{_shown(name)} must be org or org:team")
        for member in members:
            _check_login(member)


def _check_home(value: str) -> None:
    if value.startswith("~"):
        raise ValueError("~ is not expanded: write the whole path")
    if not _is_usable_path(value, absolute=False):
        raise ValueError("must be the path of a folder")


def _check_chart(value: str) -> None:
    if value.startswith("~"):
        raise ValueError("~ is not expanded: write the whole path")
    if not _is_usable_path(value, absolute=False):
        raise ValueError("must be the path of a folder or of an archive (.tgz)")


def _is_usable_path(value: str, *, absolute: bool) -> bool:
    return bool(value) and "\0" not in value and (not absolute or Path(value).is_absolute())


def _check_port(value: int) -> None:
    if not 1 <= value <= 65535:
        raise ValueError(f"a port is a number from 1 to 65535, got {_shown(value)}")


@dataclass(frozen=True)
class Rule:
    """A check of one value, made after its type is right; it raises ValueError."""

    check: Callable[[Any], None]


_Bucket = Annotated[str, Rule(_check_bucket_name)]
_DatabaseWord = Annotated[str, Rule(_check_database_word)]
_Port = Annotated[int, Rule(_check_port)]


def _check_distinct(kind: str, values: Iterable[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{kind} must differ, {value} is used twice")
        seen.add(value)


@dataclass(frozen=True)
class Buckets:
    """The names of the project's three S3 buckets."""

    public: _Bucket
    lake: _Bucket
    notebooks: _Bucket

    def __post_init__(self) -> None:
        _check_distinct("bucket names", (self.public, self.lake, self.notebooks))


@dataclass(frozen=True)
class Database:
    """A database and the role that owns it."""

    name: _DatabaseWord
    user: _DatabaseWord


@dataclass(frozen=True)
class Databases:
    """The hub's own database and the one the notebooks see."""

    hub: Database
    explore: Database

    def __post_init__(self) -> None:
        _check_distinct("database names", (self.hub.name, self.explore.name))
        _check_distinct("database users", (self.hub.user, self.explore.user))


@dataclass(frozen=True)
class S3:
    """Who serves S3. ``endpoint`` is set when, and only when, the provider is external."""

    provider: Annotated[str, Rule(_check_provider)] = "ministack"
    region: Annotated[str, Rule(_check_region)] = "us-east-1"
    endpoint: Annotated[str, Rule(_check_endpoint)] | None = None

    def __post_init__(self) -> None:
        if self.provider == "external" and self.endpoint is None:
            raise ValueError("provider external needs an endpoint")
        if self.provider != "external" and self.endpoint is not None:
            raise ValueError(f"endpoint is for provider external, not for {self.provider}")


@dataclass(frozen=True)
class Postgres:
    """Whose server binaries: ``wheel`` (PyPI), ``system`` (the machine's), or a folder of them."""

    binaries: Annotated[str, Rule(_check_binaries)] = "wheel"


@dataclass(frozen=True)
class Jupyter:
    """``home`` is the notebook user's home; None lets the instance keep one in its state folder."""

    debug: bool = False
    home: Annotated[str, Rule(_check_home)] | None = None


@dataclass(frozen=True)
class Hub:
    """``values`` are the Helm values files of the hub, in Helm's order; None means the usual two.

    ``post_start`` lets a normal user's hub run the values' postStart hook, which is written for an image.
    """

    values: tuple[str, ...] | None = None
    post_start: bool = False


@dataclass(frozen=True)
class GitHub:
    """Who there is in the local sign-in besides those whom the values name.

    ``organizations`` holds logins by organisation (``org``) or team (``org:team``).
    """

    people: tuple[Annotated[str, Rule(_check_login)], ...] = ()
    organizations: Annotated[dict[str, tuple[str, ...]], Rule(_check_organizations)] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
class Ports:
    """Fixed ports on the loopback address; None takes the first free one.

    ``jupyter`` is the one that the browser opens: JupyterLab's, or the hub's proxy's.
    """

    jupyter: _Port | None = None
    s3: _Port | None = None
    postgres: _Port | None = None

    def __post_init__(self) -> None:
        fixed = (self.jupyter, self.s3, self.postgres)
        _check_distinct("ports", (port for port in fixed if port is not None))


@dataclass(frozen=True)
class Settings:
    """Everything that ``devenv.yaml`` can say; each field is a key of the file.

    ``chart`` is the Helm chart of the hub, a folder or an archive; None takes the pinned one.
    """

    name: Annotated[str, Rule(check_name)]
    buckets: Buckets
    databases: Databases
    runtime: Literal["process", "compose"] | None = None
    public_writable: bool = False
    chart: Annotated[str, Rule(_check_chart)] | None = None
    s3: S3 = S3()
    postgres: Postgres = Postgres()
    jupyter: Jupyter = Jupyter()
    hub: Hub = Hub()
    github: GitHub = GitHub()
    ports: Ports = Ports()

    @classmethod
    def defaults(cls, name: str = "habari") -> Settings:
        """The settings of a project of this name whose file says nothing else."""
        word = name.replace("-", "_")
        return cls(
            name=name,
            buckets=Buckets(f"{name}-public", f"{name}-lake", f"{name}-notebooks"),
            databases=Databases(
                hub=Database(f"{word}_hub", f"{word}_hub"),
                explore=Database(f"{word}_explore", f"{word}_explore"),
            ),
        )


class Secret:
    """A text that shows itself only when asked by :meth:`reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. It must not reach a log, an argv or a message."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True)
class AccessKey:
    """A key pair of an S3 endpoint of one's own."""

    key_id: str
    secret: Secret


@dataclass(frozen=True, kw_only=True)
class Project(Settings):
    """What is wanted, and where that was said. Relative paths in the file start at ``folder``."""

    folder: Path
    file: Path | None = None
    external_key: AccessKey | None = None
    external_admin_key: AccessKey | None = None
    notices: tuple[str, ...] = ()

    @property
    def values_files(self) -> tuple[Path, ...] | None:
        """The hub's values files as absolute paths, or None for the usual two."""
        return None if self.hub.values is None else tuple(self.folder / name for name in self.hub.values)

    @property
    def chart_path(self) -> Path | None:
        """The chart's folder or archive as an absolute path, or None for the pinned chart."""
        return None if self.chart is None else self.folder / self.chart

    @property
    def jupyter_home(self) -> Path | None:
        """The notebook user's home as an absolute path, or None when the instance keeps its own."""
        return None if self.jupyter.home is None else self.folder / self.jupyter.home


_KEY_VARIABLES = {
    "external_key": ("HABARI_S3_ACCESS_KEY_ID", "HABARI_S3_SECRET_ACCESS_KEY"),
    "external_admin_key": ("HABARI_S3_ADMIN_ACCESS_KEY_ID", "HABARI_S3_ADMIN_SECRET_ACCESS_KEY"),
}
_OTHER_VARIABLES: Mapping[KeyPath, str] = {("chart",): "DEVENV_CHART"}


def load(folder: Path, environ: Mapping[str, str], *, file: Path | None = None) -> Project:
    """Read the project file and the ``HABARI_*`` variables over it.

    The file is ``devenv.yaml`` in ``folder``, the checkout, where there is one; or the one that is named,
    which must be there. A key with no value, and an empty variable, mean the default. Raises UsageError,
    with every problem in ``details``, when the file or a variable is not valid. Touches nothing but that
    file.
    """
    checkout = folder.absolute()
    if file is not None:
        _require(file)
    chosen = file.absolute() if file else checkout / FILE_NAME
    text = _read(chosen)
    overrides = _overrides(environ)
    keys, problems = _access_keys(environ)
    if text is None and not overrides and not problems:
        settings = Settings.defaults()
    else:
        settings = _validated(text, overrides, problems, name=str(file or FILE_NAME))
    return Project(
        **{name: getattr(settings, name) for name in Settings.__dataclass_fields__},
        **keys,
        folder=chosen.parent,
        file=None if text is None else chosen,
        notices=tuple(_notices(checkout, environ, reads_checkout=file is None)),
    )


def variable_name(path: KeyPath) -> str:
    """The environment variable that overrides a key: HABARI_PORTS_JUPYTER for ports.jupyter."""
    return PREFIX + "_".join(path).upper()


def leaves(tree: Mapping[str, Any], path: KeyPath = ()) -> dict[KeyPath, Any]:
    """The values of a nested mapping by the path of their keys."""
    found: dict[KeyPath, Any] = {}
    for key, value in tree.items():
        here = (*path, key)
        found.update(leaves(value, here) if isinstance(value, dict) else {here: value})
    return found


def _require(file: Path) -> None:
    """Raise UsageError unless there is a file of that name; what it holds is looked at later."""
    if file.is_dir():
        raise UsageError(
            f"{file} is a folder", hint=f"Name the project file in it, such as {file / FILE_NAME}"
        )
    if not file.exists() and not file.is_symlink():
        raise UsageError(
            f"there is no project file {file}", hint="./dev project.new NAME makes one for a new project"
        )


def _read(file: Path) -> str | None:
    try:
        if not file.is_file():
            if file.is_symlink() or file.exists():
                raise UsageError(f"{file} is not a file", hint="Move it away or make it a text file")
            return None
        content = file.read_bytes()
    except OSError as trouble:
        reason = trouble.strerror or str(trouble)
        raise UsageError(f"{file} cannot be read: {reason}", hint="Check its owner and permissions") from None
    if len(content) > _LARGEST_FILE_BYTES:
        raise UsageError(f"{file} is larger than 64 KiB", hint=f"See {SAMPLE_NAME} for what belongs in it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = content.count(b"\n", 0, trouble.start) + 1
        raise UsageError(
            f"{file.name} is not UTF-8 text",
            hint="Save it as UTF-8",
            details=(f"line {line}: a byte that is not",),
        ) from None


def _overrides(environ: Mapping[str, str]) -> dict[KeyPath, str]:
    paths = leaves(asdict(Settings.defaults()))
    named = {path: environ.get(variable_name(path), "") for path in paths}
    for path, other in _OTHER_VARIABLES.items():
        named[path] = named[path] or environ.get(other, "")
    chart = named["chart",]
    if chart and not chart.startswith("~"):
        # a shell's path starts where the shell is, not where the file lies
        named["chart",] = str(Path(chart).absolute())
    return {path: value for path, value in named.items() if value}


def _access_keys(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    keys, problems = {}, []
    for field_name, (id_variable, secret_variable) in _KEY_VARIABLES.items():
        key_id, secret = environ.get(id_variable, ""), environ.get(secret_variable, "")
        if key_id and secret:
            keys[field_name] = AccessKey(key_id, Secret(secret))
        elif key_id or secret:
            given, missing = sorted((id_variable, secret_variable), key=lambda name: not environ.get(name))
            problems.append(f"{given}: needs {missing} beside it")
    return keys, problems


def _validated(
    text: str | None, overrides: Mapping[KeyPath, str], variable_problems: list[str], *, name: str
) -> Settings:
    from devenv.yaml_lines import Document, parse

    document = Document() if text is None else parse(text)
    for path, value in overrides.items():
        _put(document.tree, path, value)
    settings, troubles = _settings(document.tree)
    found = [
        (problem.line, _detail(problem.line, problem.path, problem.text)) for problem in document.problems
    ]
    found += [_located(path, trouble, document, overrides) for path, trouble in troubles]
    in_file = [detail for line, detail in sorted(found, key=lambda item: item[0]) if line]
    elsewhere = [detail for line, detail in found if not line] + variable_problems
    if settings is None or in_file or elsewhere:
        raise _invalid(name if in_file else "the environment", in_file + elsewhere)
    return settings


def _invalid(subject: str, details: list[str]) -> UsageError:
    count = "1 problem" if len(details) == 1 else f"{len(details)} problems"
    return UsageError(
        f"{subject} is not valid: {count}",
        hint=f"{SAMPLE_NAME} shows every key and its default",
        details=tuple(details),
    )


def _put(tree: dict[str, Any], path: KeyPath, value: str) -> None:
    for key in path[:-1]:
        if not isinstance(tree.get(key), dict):
            if tree.get(key) is not None:
                return  # the file has a list or a word where keys belong: that is reported for the file
            tree[key] = {}
        tree = tree[key]
    tree[path[-1]] = value


_Trouble = tuple["KeyPath", str]


def _settings(tree: Mapping[str, Any]) -> tuple[Settings | None, list[_Trouble]]:
    problems: list[_Trouble] = []
    merged = asdict(Settings.defaults(_name_for_defaults(tree)))
    _merge(merged, tree, (), problems)
    return _section(Settings, merged, (), problems), problems


def _section(kind: Any, given: Any, path: KeyPath, problems: list[_Trouble]) -> Any:
    """One of the dataclasses above from a mapping with all of its keys; None when something is wrong."""
    if not isinstance(given, dict):
        problems.append((path, f"expected keys below it, got {_kind_of(given)}"))
        return None
    before, values = len(problems), {}
    for key, hint in get_type_hints(kind, include_extras=True).items():
        here = (*path, key)
        try:
            is_section = is_dataclass(hint)
            values[key] = (
                _section(hint, given[key], here, problems) if is_section else _value(hint, given[key])
            )
        except ValueError as wrong:
            problems.append((here, str(wrong)))
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ValueError as wrong:
        problems.append((path, str(wrong)))
        return None


def _value(hint: Any, given: Any) -> Any:
    """A value of the hinted type, from YAML or from a variable's text. Raises ValueError."""
    if type(None) in get_args(hint):
        if given is None:
            return None
        hint = get_args(hint)[0]
    if get_origin(hint) is tuple:
        return _texts(get_args(hint)[0], given)
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        if not isinstance(given, str) or given not in choices:
            raise ValueError(f"expected {' or '.join(choices)}, got {_shown(given)}")
        return given
    kind, *rules = (hint.__origin__, *hint.__metadata__) if hasattr(hint, "__metadata__") else (hint,)
    value = _CONVERSIONS[get_origin(kind) or kind](given)
    for rule in rules:
        rule.check(value)
    return value


def _text(given: object) -> str:
    if isinstance(given, str):
        return given
    quoting = "" if isinstance(given, (list, dict)) else "; put it in quotes"
    raise ValueError(f"expected text, got {_shown(given)}{quoting}")


def _texts(kind: Any, given: object) -> tuple[str, ...]:
    """A list of texts, from YAML or from a variable with commas."""
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",") if part.strip()]
    if not isinstance(given, (list, tuple)):
        raise ValueError(f"expected a list, got {_shown(given)}")
    return tuple(_value(kind, each) for each in given)


def _lists_by_name(given: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(given, Mapping):
        raise ValueError(f"expected names with a list each, got {_shown(given)}")
    return {name: _texts(str, members) for name, members in given.items()}


def _whole_number(given: object) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) < 20:
        return int(given)
    raise ValueError(f"expected a whole number, got {_shown(given)}")


def _truth_value(given: object) -> bool:
    if isinstance(given, bool):
        return given
    known = {
        "true": True,
        "false": False,
        "yes": True,
        "no": False,
        "on": True,
        "off": False,
        "1": True,
        "0": False,
    }
    if isinstance(given, str) and given.lower() in known:
        return known[given.lower()]
    raise ValueError(f"expected true or false, got {_shown(given)}")


_CONVERSIONS: Mapping[Any, Callable[[Any], Any]] = {
    str: _text,
    int: _whole_number,
    bool: _truth_value,
    dict: _lists_by_name,
}


def _name_for_defaults(tree: Mapping[str, Any]) -> str:
    name = tree.get("name")
    try:
        check_name(name if isinstance(name, str) else "")
    except ValueError:
        return "habari"
    return str(name)


def _merge(
    defaults: dict[str, Any], given: Mapping[str, Any], path: KeyPath, problems: list[_Trouble]
) -> None:
    for key, value in given.items():
        here = (*path, key)
        if key not in defaults:
            problems.append((here, _unknown_key(here, defaults)))
        elif isinstance(defaults[key], dict) and defaults[key] and isinstance(value, dict):
            _merge(defaults[key], value, here, problems)
        elif value is not None:
            defaults[key] = value


def _unknown_key(path: KeyPath, siblings: Iterable[str]) -> str:
    from difflib import get_close_matches

    key = path[-1]
    if any(word in key.lower() for word in ("secret", "password", "token", "access_key", "credential")):
        variables = " and ".join(_KEY_VARIABLES["external_key"])
        return f"unknown key; secrets do not belong in this file: keys of an external S3 come as {variables}"
    if close := get_close_matches(key, siblings, n=1):
        return f"unknown key; did you mean {close[0]}?"
    for other in leaves(asdict(Settings.defaults())):
        if other[-1] == key:
            return f"unknown key; did you mean {'.'.join(other)}?"
    return "unknown key"


def _kind_of(value: object) -> str:
    kinds = {list: "a list", dict: "keys", str: "text", bool: "a truth value"}
    return kinds.get(type(value), "a single value")


def _shown(value: object) -> str:
    if isinstance(value, (list, dict)):
        return _kind_of(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 64:
        return "a huge number"  # Python refuses to write out more than some thousand digits
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def _located(
    path: KeyPath, trouble: str, document: Document, overrides: Mapping[KeyPath, str]
) -> tuple[int, str]:
    if path in overrides:
        return 0, f"{variable_name(path)}: {trouble}"
    if path in document.lines:
        line = document.lines[path]
        return line, _detail(line, path, trouble)
    # A rule about a whole section that the file does not have, so a variable broke it.
    names = " and ".join(variable_name(other) for other in overrides if other[: len(path)] == path)
    return 0, f"{names}: {trouble}"


def _detail(line: int, path: KeyPath, trouble: str) -> str:
    where = [f"line {line}"] if line else []
    if path:
        key = ".".join(path)
        where.append(key if key.isprintable() and len(key) <= 80 else _shown(key))
    return ": ".join([*where, trouble])


def _compose_variables(folder: Path) -> Iterable[str]:
    """What the compose files read by themselves, such as the memory of a container."""
    import re

    for file in folder.glob("docker-compose*.yaml"):
        yield from re.findall(rf"\$\{{({PREFIX}[A-Z0-9_]+)", file.read_text(encoding="utf-8"))


def _notices(folder: Path, environ: Mapping[str, str], *, reads_checkout: bool) -> Iterable[str]:
    if reads_checkout and (folder / "devenv.yml").exists():
        yield f"devenv.yml is not read: the project file is {FILE_NAME}"
    mine = [name for name in sorted(environ) if name.startswith(PREFIX)]
    if not mine:
        return
    from difflib import get_close_matches

    known = {variable_name(path) for path in leaves(asdict(Settings.defaults()))}
    known.update(name for pair in _KEY_VARIABLES.values() for name in pair)
    known.update(_compose_variables(folder))
    known.add("HABARI_NODE_IMAGE")
    for name in mine:
        if name not in known and (close := get_close_matches(name, known, n=1, cutoff=0.85)):
            yield f"the variable {name} is not read; did you mean {close[0]}?"
