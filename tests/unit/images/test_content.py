"""What a build sends, and the key of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from devenv.images import content, pins
from devenv.images.pins import CHECKOUT, Image


@pytest.fixture
def image(tmp_path: Path) -> Image:
    dockerfile = tmp_path / "images" / "Dockerfile"
    dockerfile.parent.mkdir()
    dockerfile.write_text("FROM x\n")
    Path(f"{dockerfile}.dockerignore").write_text("# why\n*\n!code\n!one.txt\n!images/*.sh\n**/__pycache__\n")
    for name in ("code/a.py", "code/b/c.py", "code/__pycache__/a.pyc", "one.txt", "two.txt", "images/run.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return Image("x", dockerfile, "debian")


def test_only_what_the_list_allows_is_sent(image: Image, tmp_path: Path) -> None:
    sent = [str(path.relative_to(tmp_path)) for path in content.files(image, tmp_path)]
    assert sent == ["code/a.py", "code/b/c.py", "images/run.sh", "one.txt"]


def test_a_line_that_is_not_understood_is_refused(image: Image, tmp_path: Path) -> None:
    Path(f"{image.dockerfile}.dockerignore").write_text("*\nnode_modules\n")
    with pytest.raises(ValueError, match="node_modules"):
        content.files(image, tmp_path)


def test_what_is_not_sent_does_not_change_the_key(image: Image, tmp_path: Path) -> None:
    before = content.key(image, "base", tmp_path)
    (tmp_path / "two.txt").write_text("changed")
    (tmp_path / "code" / "__pycache__" / "b.pyc").write_text("new")
    assert content.key(image, "base", tmp_path) == before


@pytest.mark.parametrize("change", ["content", "mode", "name", "new file", "Dockerfile", "base"])
def test_whatever_ends_up_in_the_image_changes_the_key(image: Image, tmp_path: Path, change: str) -> None:
    before = content.key(image, "base", tmp_path)
    base = "base"
    match change:
        case "content":
            (tmp_path / "one.txt").write_text("changed")
        case "mode":
            (tmp_path / "one.txt").chmod(0o755)
        case "name":
            (tmp_path / "code" / "a.py").rename(tmp_path / "code" / "z.py")
        case "new file":
            (tmp_path / "code" / "new.py").touch()
        case "Dockerfile":
            image.dockerfile.write_text("FROM y\n")
        case "base":
            base = "another base"
    assert content.key(image, base, tmp_path) != before


@pytest.mark.parametrize("name", pins.load().images)
def test_each_build_of_ours_sends_what_its_dockerfile_copies(name: str) -> None:
    image = pins.load().images[name]
    sent = {str(path.relative_to(CHECKOUT)) for path in content.files(image)}
    lines = image.dockerfile.read_text().replace("\\\n", " ").splitlines()
    copies = [line.split() for line in lines if line.startswith("COPY ") and "--from=" not in line]
    sources = [word for words in copies for word in words[1:-1] if not word.startswith("--")]
    sources += re.findall(r"type=bind,source=([^,\s]+)", image.dockerfile.read_text())
    assert all(any(path == source or path.startswith(f"{source}/") for path in sent) for source in sources)
    assert not [path for path in sent if "__pycache__" in path or path.endswith(".env")]


@pytest.mark.parametrize("name", pins.load().images)
def test_each_build_of_ours_sends_nothing_that_git_ignores(name: str) -> None:
    """It would be missing from everybody else's checkout."""
    sent = "\n".join(map(str, content.files(pins.load().images[name])))
    argv = ("git", "check-ignore", "--stdin")
    asked = subprocess.run(argv, cwd=CHECKOUT, input=sent, capture_output=True, text=True, check=False)
    if asked.returncode == 128:
        pytest.skip("this checkout is not a git clone: what git ignores is not known")
    assert asked.stdout == ""
