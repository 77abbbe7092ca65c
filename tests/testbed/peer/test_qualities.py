"""Tests of changes of quality: when the swarm of the old quality is left."""

from typing import Any

from tests.policy.world import World

LEVELS = [{"bitrate": 500_000, "segBytes": 250_000}, {"bitrate": 1_000_000, "segBytes": 250_000}]


def left_swarms(switches: list[dict[str, Any]], until: int, **more: Any) -> list[bool]:
    """Return whether the viewer has left each swarm that it has joined, in order of joining."""
    world = World({"segments": 40, "levels": LEVELS, "switches": switches, "until": until, **more})
    are_left: list[bool] = []
    world.at_the_end = lambda: are_left.extend(client.is_gone for client in world.clients)
    world.run()
    return are_left


def test_a_swarm_with_stored_segments_is_left_after_the_destroy_timeout() -> None:
    switch = [{"at": 1000, "level": 1}]
    assert left_swarms(switch, 30_000) == [False, False]
    assert left_swarms(switch, 40_000) == [True, False]
    assert left_swarms(switch, 12_000, config={"p2pInactiveLoaderDestroyTimeoutMs": 5000}) == [True, False]


def test_a_swarm_without_stored_segments_is_left_at_once() -> None:
    assert left_swarms([{"at": 100, "level": 1, "abort": True}], 1000) == [True, False]


def test_a_swarm_is_not_left_if_the_viewer_comes_back_before_the_timeout() -> None:
    assert left_swarms([{"at": 1000, "level": 1}, {"at": 9000, "level": 0}], 36_000) == [False, False]
    assert left_swarms([{"at": 1000, "level": 1}, {"at": 9000, "level": 0}], 60_000) == [False, True]


def test_a_swarm_is_joined_again_if_the_viewer_comes_back_after_the_timeout() -> None:
    assert left_swarms([{"at": 1000, "level": 1}, {"at": 45_000, "level": 0}], 60_000) == [True, False, False]
