"""The project file and its variables become one frozen project, or one error that lists everything."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devenv.errors import UsageError
from devenv.project import SAMPLE_NAME, Project, Secret, Settings, leaves, load, variable_name

ROOT = Path(__file__).parents[3]
LEAVES = leaves(dataclasses.asdict(Settings.defaults()))


def problems(folder: Path, text: str | bytes | None = None, **variables: str) -> tuple[str, ...]:
    """The lines of the error that loading this file with these variables raises."""
    with pytest.raises(UsageError) as caught:
        loaded(folder, text, **variables)
    return caught.value.details


def loaded(folder: Path, text: str | bytes | None = None, **variables: str) -> Project:
    if text is not None:
        content = text.encode() if isinstance(text, str) else text
        (folder / "devenv.yaml").write_bytes(content)
    return load(folder, variables)


def settings_of(project: Project) -> Settings:
    return Settings(**{field.name: getattr(project, field.name) for field in dataclasses.fields(Settings)})


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    project = loaded(tmp_path)

    assert settings_of(project) == Settings.defaults("habari")
    assert project.file is None
    assert astuple(project.buckets) == ("habari-public", "habari-lake", "habari-notebooks")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("# nothing\n", id="comments only"),
        pytest.param("---\n", id="an empty document"),
        pytest.param("\ufeff", id="a byte order mark"),
        pytest.param("s3:\nname:\nports: {s3: }\n", id="keys without values"),
    ],
)
def test_a_file_that_says_nothing_means_the_defaults(tmp_path: Path, text: str) -> None:
    project = loaded(tmp_path, text)

    assert settings_of(project) == Settings.defaults("habari")
    assert project.file == tmp_path / "devenv.yaml"


def test_a_project_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded(tmp_path).name = "other"  # type: ignore[misc]


def test_names_follow_from_the_projects_name(tmp_path: Path) -> None:
    project = loaded(tmp_path, "name: health-data\nbuckets: {lake: the.lake}\n")

    assert astuple(project.buckets) == ("health-data-public", "the.lake", "health-data-notebooks")
    assert project.databases.hub.name == "health_data_hub"
    assert project.databases.explore.user == "health_data_explore"


@given(st.from_regex(r"[a-z0-9-]{1,33}", fullmatch=True))
def test_every_valid_name_gives_valid_defaults(name: str) -> None:
    try:
        project = load(Path("/nonexistent"), {"HABARI_NAME": name})
    except UsageError as refused:
        assert [detail.partition(":")[0] for detail in refused.details] == ["HABARI_NAME"]
    else:
        assert project.name == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "bukets: {}", "line 1: bukets: unknown key; did you mean buckets?", id="misspelt section"
        ),
        pytest.param(
            "s3:\n  regoin: x", "line 2: s3.regoin: unknown key; did you mean region?", id="misspelt key"
        ),
        pytest.param(
            "lake: x", "line 1: lake: unknown key; did you mean buckets.lake?", id="key at a wrong place"
        ),
        pytest.param("zzz: 1", "line 1: zzz: unknown key", id="a key like no other"),
        pytest.param("'': 1", "line 1: : unknown key", id="an empty key"),
        pytest.param("on: 1", "line 1: on: unknown key", id="a key that YAML takes for a truth value"),
        pytest.param("[a, b]: 1", "line 1: a key must be plain text", id="a list as key"),
        pytest.param("name: [a]", "line 1: name: expected text, got a list", id="list for text"),
        pytest.param(
            "name: 12", "line 1: name: expected text, got 12; put it in quotes", id="number for text"
        ),
        pytest.param(
            "name: on", "line 1: name: expected text, got true; put it in quotes", id="yes for text"
        ),
        pytest.param("name: x", "line 1: name: must have 2 to 32 characters, has 1", id="short name"),
        pytest.param(
            "name: " + "x" * 33, "line 1: name: must have 2 to 32 characters, has 33", id="long name"
        ),
        pytest.param(
            "name: Abc", "line 1: name: must be lower-case letters, digits and inner hyphens", id="capitals"
        ),
        pytest.param(
            "name: ab-",
            "line 1: name: must be lower-case letters, digits and inner hyphens",
            id="outer hyphen",
        ),
        pytest.param("s3: hello", "line 1: s3: expected keys below it, got text", id="text for a section"),
        pytest.param(
            "\nports: [1]", "line 2: ports: expected keys below it, got a list", id="list for a section"
        ),
        pytest.param(
            "ports: {s3: abc}", "line 1: ports.s3: expected a whole number, got 'abc'", id="text for a port"
        ),
        pytest.param(
            "ports: {s3: true}", "line 1: ports.s3: expected a whole number, got true", id="port true"
        ),
        pytest.param("ports: {s3: 1.5}", "line 1: ports.s3: expected a whole number, got 1.5", id="port 1.5"),
        pytest.param(
            "ports: {s3: 0}", "line 1: ports.s3: a port is a number from 1 to 65535, got 0", id="port zero"
        ),
        pytest.param(
            "ports: {s3: 65536}",
            "line 1: ports.s3: a port is a number from 1 to 65535, got 65536",
            id="port high",
        ),
        pytest.param(
            "ports: {s3: 9, jupyter: 9}", "line 1: ports: ports must differ, 9 is used twice", id="ports"
        ),
        pytest.param(
            "name: 0x" + "f" * 5000,
            "line 1: name: expected text, got a huge number; put it in quotes",
            id="thousands of digits",
        ),
        pytest.param(
            "jupyter: {debug: maybe}",
            "line 1: jupyter.debug: expected true or false, got 'maybe'",
            id="text for a truth value",
        ),
        pytest.param(
            "runtime: kind", "line 1: runtime: expected process or compose, got 'kind'", id="unknown runtime"
        ),
        pytest.param(
            "buckets: {lake: habari-public}",
            "line 1: buckets: bucket names must differ, habari-public is used twice",
            id="bucket twice",
        ),
        pytest.param(
            "databases:\n  hub:\n    user: habari_explore",
            "line 1: databases: database users must differ, habari_explore is used twice",
            id="role twice",
        ),
        pytest.param(
            "s3: {provider: minio}",
            "line 1: s3.provider: expected ministack or external, got 'minio'",
            id="unknown provider",
        ),
        pytest.param(
            "s3: {provider: external}", "line 1: s3: provider external needs an endpoint", id="no endpoint"
        ),
        pytest.param(
            "s3: {endpoint: 'http://h:1'}",
            "line 1: s3: endpoint is for provider external, not for ministack",
            id="endpoint without external",
        ),
        pytest.param(
            "s3: {region: EU west}",
            "line 1: s3.region: must be a region's name such as us-east-1",
            id="region",
        ),
        pytest.param(
            "postgres: {binaries: bin}",
            "line 1: postgres.binaries: expected wheel, system or the absolute path of a folder",
            id="relative binaries",
        ),
        pytest.param(
            "jupyter: {home: ~/x}",
            "line 1: jupyter.home: ~ is not expanded: write the whole path",
            id="tilde",
        ),
        pytest.param(
            "chart: ~/x",
            "line 1: chart: ~ is not expanded: write the whole path",
            id="tilde of a chart",
        ),
        pytest.param(
            "name: kind",
            "line 1: name: must not be kind: the cluster that all projects share is called so",
            id="the cluster's name",
        ),
        pytest.param(
            "name: kube-system",
            "line 1: name: must not be a namespace that every cluster has: undeploying would delete it",
            id="a namespace of Kubernetes",
        ),
        pytest.param(
            "name: default",
            "line 1: name: must not be a namespace that every cluster has: undeploying would delete it",
            id="the default namespace",
        ),
        pytest.param(
            "name: !!int x", "line 1: name: a value that YAML cannot read; put it in quotes", id="bad tag"
        ),
        pytest.param(
            "name: 2026-99-99", "line 1: name: a value that YAML cannot read; put it in quotes", id="bad date"
        ),
        pytest.param("a: b: c", "line 1: column 5: mapping values are not allowed here", id="two colons"),
        pytest.param("s3:\n\tregion: x", "line 2: column 1: a tab; YAML is indented with spaces", id="tab"),
        pytest.param("name: \x01", "line 1: a character that YAML does not allow", id="control character"),
        pytest.param(
            "- a",
            "line 1: expected keys with values (key: value) at the top of the file",
            id="a list at the top",
        ),
        pytest.param(
            "abc",
            "line 1: expected keys with values (key: value) at the top of the file",
            id="a word at the top",
        ),
        pytest.param("[" * 2000, "line 1: nested too deeply", id="deep"),
        pytest.param(
            "name: ab\nname: cd",
            "line 2: name: the same key stands in line 1 already",
            id="the same key twice",
        ),
    ],
)
def test_a_wrong_line_is_named_in_plain_words(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(tmp_path, text) == (expected,)


def test_all_problems_are_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = "ports:\n  s3: abc\nname: X\nbuckets:\n  lake: Lake\n  lak: x\nname: y\n"

    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, text, HABARI_PORTS_JUPYTER="x", HABARI_S3_ACCESS_KEY_ID="AK")

    assert caught.value.what == "devenv.yaml is not valid: 7 problems"
    starts = [detail.split(": ")[0] for detail in caught.value.details]
    assert starts == [
        "line 2",
        "line 3",
        "line 5",
        "line 6",
        "line 7",
        "HABARI_PORTS_JUPYTER",
        "HABARI_S3_ACCESS_KEY_ID",
    ]


@pytest.mark.parametrize(
    ("bucket", "reason"),
    [
        pytest.param("ab", "3 to 63 characters", id="two characters"),
        pytest.param("a" * 64, "3 to 63 characters", id="64 characters"),
        pytest.param("Lake", "lower-case", id="capital"),
        pytest.param("the_lake", "lower-case", id="underscore"),
        pytest.param("-lake", "starts and ends", id="hyphen first"),
        pytest.param("lake.", "starts and ends", id="dot last"),
        pytest.param("the..lake", "two dots", id="two dots"),
        pytest.param("192.168.5.4", "IP address", id="address"),
        pytest.param("xn--lake", "AWS keeps", id="xn--"),
        pytest.param("sthree-lake", "AWS keeps", id="sthree-"),
        pytest.param("amzn-s3-demo-lake", "AWS keeps", id="amzn-s3-demo-"),
        pytest.param("lake-s3alias", "AWS keeps", id="-s3alias"),
        pytest.param("lake--ol-s3", "AWS keeps", id="--ol-s3"),
        pytest.param("lake.mrap", "AWS keeps", id=".mrap"),
        pytest.param("lake--x-s3", "AWS keeps", id="--x-s3"),
        pytest.param("lake--table-s3", "AWS keeps", id="--table-s3"),
    ],
)
def test_a_bucket_name_that_aws_refuses_is_refused(tmp_path: Path, bucket: str, reason: str) -> None:
    (problem,) = problems(tmp_path, f"buckets:\n  lake: '{bucket}'\n")

    assert problem.startswith("line 2: buckets.lake: ")
    assert reason in problem


@pytest.mark.parametrize("bucket", ["abc", "a" * 63, "a.b-c", "1.2.3", "0lake9"])
def test_a_bucket_name_that_aws_takes_is_taken(tmp_path: Path, bucket: str) -> None:
    assert loaded(tmp_path, f"buckets: {{lake: '{bucket}'}}").buckets.lake == bucket


@pytest.mark.parametrize(
    "word", ["postgres", "template0", "template1", "pg_hub", "public", "a" * 64, "a b", 'a"b', "é"]
)
def test_a_database_word_that_postgresql_keeps_or_cuts_is_refused(tmp_path: Path, word: str) -> None:
    for key in ("name", "user"):
        (problem,) = problems(tmp_path, f"databases:\n  hub:\n    {key}: '{word}'\n")
        assert problem.startswith(f"line 3: databases.hub.{key}: ")


@pytest.mark.parametrize(
    "endpoint",
    [
        "minio:9000",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://[::1",
        "http://h/path",
        "http://h?x=1",
        "http://h h",
    ],
)
def test_an_endpoint_that_cannot_be_used_is_refused(tmp_path: Path, endpoint: str) -> None:
    (problem,) = problems(tmp_path, f"s3: {{provider: external, endpoint: '{endpoint}'}}")

    assert problem.startswith("line 1: s3.endpoint: must be a ")


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:9000", "https://s3.example.org/", "http://[::1]:9000"]
)
def test_an_endpoint_of_ones_own_is_taken(tmp_path: Path, endpoint: str) -> None:
    project = loaded(tmp_path, f"s3: {{provider: external, endpoint: '{endpoint}'}}")

    assert (project.s3.provider, project.s3.endpoint) == ("external", endpoint)


def test_moto_is_refused_with_the_reason(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "s3: {provider: moto}")

    assert "test suites" in problem
    assert "keeps nothing" in problem


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("s3: {secret_access_key: hunter2}", id="a secret key"),
        pytest.param("s3: {aws_secret_access_key: hunter2}", id="the key by its AWS name"),
        pytest.param("postgres: {password: hunter2}", id="a password"),
        pytest.param("jupyter: {token: hunter2}", id="a token"),
        pytest.param("s3: {provider: external, endpoint: 'http://user:hunter2@h:9000'}", id="in an endpoint"),
        pytest.param("s3: hunter2", id="where keys belong"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, text)

    assert "hunter2" not in "".join([str(caught.value), *caught.value.details])


def test_a_secret_in_the_file_is_pointed_to_the_environment(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "s3: {secret_access_key: x}")

    assert "HABARI_S3_SECRET_ACCESS_KEY" in problem


OTHER_VALUES = {
    "name": "other",
    "runtime": "compose",
    "public_writable": "true",
    "chart": "/srv/chart.tgz",
    "s3.provider": "external",
    "s3.region": "eu-west-1",
    "s3.endpoint": "http://127.0.0.1:1",
    "postgres.binaries": "system",
    "jupyter.debug": "true",
    "jupyter.home": "/srv/home",
    "hub.values": "shared.yaml,own.yaml",
    "hub.post_start": "true",
    "github.people": "ada,grace",
    "ports.jupyter": "8001",
    "ports.s3": "9001",
    "ports.postgres": "5433",
}


@pytest.mark.parametrize("path", LEAVES, ids=".".join)
def test_every_key_has_a_variable_that_wins_over_the_file(tmp_path: Path, path: tuple[str, ...]) -> None:
    text = OTHER_VALUES.get(".".join(path), "another-name")
    variables = {variable_name(path): text}
    if path[0] == "s3" and path[1] != "region":
        variables = {
            variable_name(("s3", key)): OTHER_VALUES[f"s3.{key}"] for key in ("provider", "endpoint")
        }

    project = loaded(tmp_path, "name: from-file\n", **variables)

    found = leaves(dataclasses.asdict(settings_of(project)))[path]
    assert (",".join(found) if isinstance(found, tuple) else str(found).lower()) == text
    assert project.notices == ()


def test_people_and_organisations_of_the_sign_in_are_lists_by_name(tmp_path: Path) -> None:
    text = "github:\n  people: [ada]\n  organizations:\n    habari: [ada, grace-h]\n    habari:data: [ada]\n"

    github = loaded(tmp_path, text).github

    assert github.people == ("ada",)
    assert github.organizations == {"habari": ("ada", "grace-h"), "habari:data": ("ada",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("github: {people: ada lovelace}", "line 1: github.people: 'ada lovelace' is no GitHub login"),
        ("github: {people: [-ada]}", "line 1: github.people: '-ada' is no GitHub login"),
        ("github: {people: {ada: 1}}", "line 1: github.people: expected a list, got keys"),
        ("github: {organizations: [habari]}", "expected names with a list each, got a list"),
        ("github: {organizations: {'habari:': [ada]}}", "'habari:' must be org or org:team"),
        ("hub: {values: [1]}", "line 1: hub.values: expected text, got 1"),
    ],
    ids=["spaces", "hyphen", "keys", "no names", "no team", "number"],
)
def test_what_the_sign_in_cannot_use_is_named(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(tmp_path, text)

    assert said in problem


def test_no_two_keys_share_a_variable() -> None:
    assert len({variable_name(path) for path in LEAVES}) == len(LEAVES)


def test_an_empty_variable_is_the_same_as_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, HABARI_NAME="", HABARI_PORTS_S3="") == loaded(tmp_path)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param(
            {"HABARI_PORTS_JUPYTER": "abc"},
            "HABARI_PORTS_JUPYTER: expected a whole number, got 'abc'",
            id="type",
        ),
        pytest.param({"HABARI_NAME": "x"}, "HABARI_NAME: must have 2 to 32 characters, has 1", id="rule"),
        pytest.param(
            {"HABARI_BUCKETS_LAKE": "habari-public"},
            "HABARI_BUCKETS_LAKE: bucket names must differ, habari-public is used twice",
            id="a section's rule",
        ),
        pytest.param(
            {"HABARI_S3_SECRET_ACCESS_KEY": "hunter2"},
            "HABARI_S3_SECRET_ACCESS_KEY: needs HABARI_S3_ACCESS_KEY_ID beside it",
            id="half a key",
        ),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variables: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, variables)

    assert caught.value.what == "the environment is not valid: 1 problem"
    assert caught.value.details == (expected,)


def test_a_variable_does_not_hide_that_its_section_is_wrong_in_the_file(tmp_path: Path) -> None:
    assert problems(tmp_path, "ports: 8000\n", HABARI_PORTS_S3="9000") == (
        "line 1: ports: expected keys below it, got a single value",
    )


def test_the_keys_of_an_external_server_come_from_the_environment_and_never_show(tmp_path: Path) -> None:
    project = loaded(
        tmp_path,
        HABARI_S3_ACCESS_KEY_ID="AKUSER",
        HABARI_S3_SECRET_ACCESS_KEY="hunter2",
        HABARI_S3_ADMIN_ACCESS_KEY_ID="AKADMIN",
        HABARI_S3_ADMIN_SECRET_ACCESS_KEY="hunter3",
    )

    assert project.external_key is not None
    assert project.external_key.secret.reveal() == "hunter2"
    assert project.external_admin_key is not None
    assert project.external_admin_key.secret == Secret("hunter3")
    assert (
        "hunter" not in f"{project} {project!r} {project.external_key.secret} {dataclasses.asdict(project)}"
    )


def test_debug_is_not_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, DEBUG="true").jupyter.debug is False


def test_a_misspelt_variable_is_noticed_and_a_foreign_one_is_not(tmp_path: Path) -> None:
    project = loaded(tmp_path, HABARI_PORT_JUPYTER="1", HABARI_WEATHER="fine")

    assert project.notices == (
        "the variable HABARI_PORT_JUPYTER is not read; did you mean HABARI_PORTS_JUPYTER?",
    )


def test_a_file_of_nearly_the_right_name_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "devenv.yml").write_text("name: other")

    assert loaded(tmp_path).notices == ("devenv.yml is not read: the project file is devenv.yaml",)


def test_a_relative_home_starts_at_the_projects_folder(tmp_path: Path) -> None:
    assert loaded(tmp_path).jupyter_home is None
    assert loaded(tmp_path, "jupyter: {home: my home}").jupyter_home == tmp_path / "my home"


def test_a_folder_of_the_files_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").mkdir()

    with pytest.raises(UsageError, match="is not a file"):
        loaded(tmp_path)


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "devenv.yaml").symlink_to(tmp_path / "gone")

    with pytest.raises(UsageError, match="is not a file"):
        loaded(tmp_path)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "devenv.yaml").touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        loaded(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    assert problems(tmp_path, b"name: ab\n# caf\xe9\n") == ("line 2: a byte that is not",)


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="larger than 64 KiB"):
        loaded(tmp_path, b"#" * (64 * 1024 + 1))


def test_aliases_that_multiply_or_point_at_themselves_end(tmp_path: Path) -> None:
    assert problems(tmp_path, "&a {buckets: *a}") == (
        "line 1: buckets: an alias of keys; write the keys out",
    )
    lists = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )
    assert len(problems(tmp_path, lists)) == 30 + 29 * 9
    pairs = [", ".join(f"k{key}: *a{n}" for key in range(9)) for n in range(30)]
    keys = "a0: &a0 {x: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{{pairs[n]}}}\n" for n in range(30))
    assert len(problems(tmp_path, keys)) == 31 + 30 * 9


def test_an_alias_of_a_value_is_that_value(tmp_path: Path) -> None:
    project = loaded(tmp_path, "name: &name shared\nbuckets: {lake: *name}\n")

    assert (project.name, project.buckets.lake) == ("shared", "shared")


_KEYS = st.sampled_from(
    [part for path in LEAVES for part in path] + ["bukets", "password", "<<", ""]
) | st.text(max_size=5)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates()
_TREES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=6)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=_TREES)
def test_any_yaml_loads_or_is_a_usage_error(tmp_path: Path, tree: object) -> None:
    import yaml

    loads_or_is_a_usage_error(tmp_path, yaml.safe_dump(tree, allow_unicode=False).encode())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary() | st.text(alphabet="ab:-[]{}&*!|>'\"#%@` \n\t\\uD8", max_size=60).map(str.encode))
def test_any_bytes_load_or_are_a_usage_error(tmp_path: Path, content: bytes) -> None:
    loads_or_is_a_usage_error(tmp_path, content)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([variable_name(path) for path in LEAVES]), st.text(max_size=30), max_size=4
    )
)
def test_any_variables_load_or_are_a_usage_error(variables: dict[str, str]) -> None:
    try:
        load(Path("/nonexistent"), variables)
    except UsageError as refused:
        assert refused.details


def loads_or_is_a_usage_error(folder: Path, content: bytes) -> None:
    try:
        project = loaded(folder, content)
    except UsageError as refused:
        assert all(detail.startswith("line ") for detail in refused.details)
        assert "pydantic" not in "".join(refused.details)
    else:
        assert len(set(astuple(project.buckets))) == 3


def uncommented(sample: str) -> str:
    """The sample with its keys in force: prose has a space after its #, keys have none or two."""
    commented = [line.removeprefix("#") for line in sample.splitlines() if line.startswith("#")]
    return "\n".join(line for line in commented if line.startswith("  ") or not line.startswith(" "))


def test_the_sample_shows_every_key_with_its_default(tmp_path: Path) -> None:
    import yaml

    sample = (ROOT / SAMPLE_NAME).read_text(encoding="utf-8")

    shown = leaves(yaml.safe_load(uncommented(sample)))
    assert {path: tuple(value) if value == [] else value for path, value in shown.items()} == LEAVES
    assert settings_of(loaded(tmp_path, sample)) == Settings.defaults()
    assert settings_of(loaded(tmp_path, uncommented(sample))) == Settings.defaults()


def test_neither_pydantic_nor_yaml_is_imported_without_need(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from devenv.project import load; load(Path(sys.argv[1]), {});"
        "print(sorted({'pydantic', 'pydantic_core', 'yaml', 'difflib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
