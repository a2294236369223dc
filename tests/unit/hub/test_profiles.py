"""Which of a profile's overrides have a meaning with no cluster."""

from __future__ import annotations

from devenv.hub.profiles import applicable, unapplied

PROFILES = [
    {"display_name": "Plain"},
    {
        "display_name": "Large",
        "kubespawner_override": {"mem_limit": "8G", "image": "a:1", "environment": {"A": "1"}},
        "profile_options": {
            "size": {
                "choices": {"l": {"kubespawner_override": {"cpu_limit": 4, "node_selector": {}}}},
                "unlisted_choice": {"enabled": True, "kubespawner_override": {"image": "{value}"}},
            },
            "empty": {"choices": None},
        },
    },
]


def test_overrides_that_need_a_cluster_are_named_once_and_sorted() -> None:
    assert unapplied(PROFILES) == ("image", "node_selector")


def test_no_profiles_leave_nothing_unapplied() -> None:
    assert unapplied([]) == ()


def test_the_rest_of_an_override_is_applied() -> None:
    override = PROFILES[1]["kubespawner_override"]
    assert isinstance(override, dict)
    assert applicable(override) == {"mem_limit": "8G", "environment": {"A": "1"}}
