"""Changes of quality: the old swarm is served for a while, if there is anything to serve."""

from tests.policy.world import World

LEVELS = [{"bitrate": 500_000, "segBytes": 250_000}, {"bitrate": 1_000_000, "segBytes": 250_000}]


def swarms(switches, until, **more):
    """Levels of the swarms that a viewer is in, in order of joining, and of those it has left."""
    world = World({"segments": 40, "levels": LEVELS, "switches": switches, "until": until, **more})
    left = []
    world.at_the_end = lambda: left.extend(client.is_gone for client in world.clients)
    world.run()
    return left


def test_the_old_swarm_is_left_after_half_a_minute():
    switch = [{"at": 1000, "level": 1}]
    assert swarms(switch, 30_000) == [False, False]
    assert swarms(switch, 40_000) == [True, False]
    assert swarms(switch, 12_000, config={"p2pInactiveLoaderDestroyTimeoutMs": 5000}) == [True, False]


def test_it_is_left_at_once_if_nothing_of_it_is_stored():
    assert swarms([{"at": 100, "level": 1, "abort": True}], 1000) == [True, False]


def test_who_comes_back_in_time_has_not_been_away():
    assert swarms([{"at": 1000, "level": 1}, {"at": 9000, "level": 0}], 36_000) == [False, False]
    assert swarms([{"at": 1000, "level": 1}, {"at": 9000, "level": 0}], 60_000) == [False, True]


def test_who_comes_back_late_joins_anew():
    assert swarms([{"at": 1000, "level": 1}, {"at": 45_000, "level": 0}], 60_000) == [True, False, False]
