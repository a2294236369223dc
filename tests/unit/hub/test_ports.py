"""Ports for servers that listen later, on a machine where everybody else takes some meanwhile."""

from __future__ import annotations

import socket

import pytest

from devenv.hub.ports import NoPortError, Ports, below_the_systems, is_free


def listener() -> socket.socket:
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen()
    return held


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32768\t60999\n", range(20000, 32768)),
        ("1024\t60999\n", range(61000, 65536)),
        ("15000 65000\n", range(20000, 65536)),
        ("", range(20000, 49152)),
        ("not a range", range(20000, 49152)),
    ],
)
def test_ports_lie_where_the_system_gives_none_away(text: str, expected: range) -> None:
    assert below_the_systems(text) == expected


def test_no_port_is_given_out_twice_until_it_comes_back() -> None:
    ports = Ports(range(23000, 23400))
    taken = {ports.take() for _ in range(20)}
    assert len(taken) == 20

    one = Ports(range(port := taken.pop(), port + 1))
    assert one.take() == port
    with pytest.raises(NoPortError, match=str(port)):
        one.take()
    one.give_back(port)
    assert one.take() == port


def test_a_port_that_somebody_listens_on_is_not_given_out() -> None:
    with listener() as held:
        port = held.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(NoPortError):
            Ports(range(port, port + 1)).take()
    assert is_free(port)


def test_a_port_that_a_connection_goes_out_from_is_not_free_either() -> None:
    with listener() as held, socket.create_connection(held.getsockname()) as connection:
        assert not is_free(connection.getsockname()[1])
