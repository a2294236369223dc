"""What a kind node is made of: the images of its own pods, their archives, and what makes a build long."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from devenv.images.pins import CHECKOUT

NODE = CHECKOUT / "images" / "node"
MANIFESTS = sorted((NODE / "manifests").glob("*.yaml"))


def containers(manifest: Path) -> list[dict[str, Any]]:
    found = []
    for thing in yaml.safe_load_all(manifest.read_text()):
        if thing["kind"] in ("DaemonSet", "Deployment"):
            found += thing["spec"]["template"]["spec"]["containers"]
        if helper := thing.get("data", {}).get("helperPod.yaml"):
            found += yaml.safe_load(helper)["spec"]["containers"]
    return found


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda file: file.stem)
def test_each_image_that_a_manifest_names_is_in_the_node(manifest: Path) -> None:
    packed = set(re.findall(r"^pack (docker\.io/\S+)", (NODE / "pack-all").read_text(), re.MULTILINE))
    named = containers(manifest)
    assert named
    assert {each["image"] for each in named} <= packed
    assert {each["imagePullPolicy"] for each in named} == {"Never"}


def test_the_storage_class_is_the_default_one_and_its_helper_is_the_packed_one() -> None:
    text = (NODE / "manifests" / "default-storage.yaml").read_text()
    things = {thing["kind"]: thing for thing in yaml.safe_load_all(text)}
    notes = things["StorageClass"]["metadata"]["annotations"]
    assert notes["storageclass.kubernetes.io/is-default-class"] == "true"
    # the provisioner's own default names, which its arguments do not repeat
    assert things["ConfigMap"]["metadata"]["name"] == "local-path-config"
    arguments = things["Deployment"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert f"--service-account-name={things['ServiceAccount']['metadata']['name']}" in arguments


def test_a_build_that_takes_long_depends_on_its_own_folders_alone() -> None:
    """A change of a manifest must not compile Kubernetes again."""
    text = (NODE / "Dockerfile").read_text().replace("\\\n", " ")
    compiled = [line for line in text.splitlines() if line.startswith("RUN ") and "go-build go " in line]
    compiled += [line for line in text.splitlines() if line.startswith("RUN ") and "build install" in line]
    assert compiled
    for step in compiled:
        assert "source=images/node," not in step


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("pack", str(NODE / "pack"))
    spec = importlib.util.spec_from_loader("pack", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module, "packed", lambda content: b"packed" + content)
    monkeypatch.setattr(module, "ARCHITECTURE", tmp_path / "architecture")
    module.ARCHITECTURE.write_text("arm64\n")
    return module


def program(folder: Path) -> Path:
    (folder / "usr").mkdir(parents=True)
    (folder / "usr" / "program").write_bytes(b"#!")
    return folder


def test_an_archive_names_its_image_and_each_blob_by_its_digest(pack: ModuleType, tmp_path: Path) -> None:
    pack.main("registry.example/x:1", str(tmp_path / "x.tar"), "/usr/program", str(program(tmp_path / "x")))
    with tarfile.open(tmp_path / "x.tar") as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]

    def blob(of: dict[str, Any]) -> bytes:
        content = files[f"blobs/{of['digest'].replace(':', '/')}"]
        assert of["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert of["size"] == len(content)
        return content

    (named,) = json.loads(files["index.json"])["manifests"]
    assert named["annotations"] == {"io.containerd.image.name": "registry.example/x:1"}
    manifest = json.loads(blob(named))
    config = json.loads(blob(manifest["config"]))
    content = blob(manifest["layers"][0]).removeprefix(b"packed")
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(content).hexdigest()}"]
    assert (config["architecture"], config["config"]["Entrypoint"]) == ("arm64", ["/usr/program"])


def test_the_same_folder_is_the_same_layer_whoever_owns_it_and_whenever(
    pack: ModuleType, tmp_path: Path
) -> None:
    one, other = program(tmp_path / "one"), program(tmp_path / "other")
    os.utime(other / "usr" / "program", (1, 1))
    assert pack.layer(one) == pack.layer(other)
