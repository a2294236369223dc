"""Which images the cluster gets: the values' own where they are here, else the newest of ours."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.cluster import stand_ins
from devenv.images.engine import Engine, Stored


class Fake(Engine):
    """An engine with these images: ids by name."""

    def __init__(self, **ids: str) -> None:
        super().__init__({}, "default")
        object.__setattr__(
            self, "ids", {name.replace("__", "/").replace("_", ":"): id_ for name, id_ in ids.items()}
        )

    def image(self, reference: str) -> Stored | None:
        found: dict[str, str] = self.ids  # type: ignore[attr-defined]
        return _stored(found[reference], reference) if reference in found else None

    def images(self, **labels: str) -> tuple[Stored, ...]:
        wanted = f"habari/{labels['habari_image']}:"
        found: dict[str, str] = self.ids  # type: ignore[attr-defined]
        return tuple(_stored(id_, name) for name, id_ in found.items() if name.startswith(wanted))


def _stored(id_: str, name: str) -> Stored:
    return Stored(id=id_, references=(name,), digests=(), labels={}, created="", size=0)


def tree(image: dict[str, Any]) -> dict[str, Any]:
    return {"singleuser": {"image": image}}


def test_an_image_that_the_values_name_and_the_engine_has_is_loaded_as_it_is() -> None:
    engine = Fake(**{"acme__lab_2": "sha256:a", "habari__jupyter_1.0": "sha256:b"})

    found = stand_ins.choose(tree({"name": "acme/lab", "tag": "2"}), engine)

    assert found.ids["acme/lab:2"] == "sha256:a"
    assert "singleuser" not in found.stand_ins


def test_the_newest_of_ours_stands_in_for_one_that_is_not_here() -> None:
    engine = Fake(**{"habari__jupyter_0.9": "sha256:a", "habari__jupyter_0.10": "sha256:b"})

    found = stand_ins.choose(tree({"name": "registry.example/lab", "tag": "7"}), engine)

    assert found.stand_ins["singleuser"] == ("habari/jupyter", "0.10")
    assert found.ids == {"habari/jupyter:0.10": "sha256:b"}


def test_what_nobody_has_here_is_left_to_the_node_and_named() -> None:
    found = stand_ins.choose(tree({"name": "registry.example/lab", "tag": "7"}), Fake())

    assert found.pulled == (
        "registry.example/lab:7",
        "the chart's image for hub.image",
        "the chart's image for proxy.chp.image",
    )


@pytest.mark.parametrize("is_here", [True, False])
def test_images_of_profiles_count_too(is_here: bool) -> None:
    profiles = [
        {
            "profile_options": {
                "image": {"choices": {"gpu": {"kubespawner_override": {"image": "acme/gpu:1"}}}}
            }
        }
    ]
    engine = Fake(**({"acme__gpu_1": "sha256:g"} if is_here else {}))

    found = stand_ins.choose({"singleuser": {"profileList": profiles}}, engine)

    assert ("acme/gpu:1" in found.ids) is is_here
    assert ("acme/gpu:1" in found.pulled) is not is_here
