"""Which neighbour is asked."""

import numpy as np

from p2psim.policy.peer_choice import choose_holder
from p2psim.policy.state import STORED, Loaders, allocate
from p2psim.policy.state.neighbours import connect, disconnect, set_announced
from p2psim.rng import kernel_streams


def swarm(count: int) -> Loaders:
    """Viewer 0 with `count` neighbours, all of which have segment 3."""
    loaders = allocate(count + 1, 8, 4, count)
    loaders.random[:] = kernel_streams(1, count + 1, "choice")
    for other in range(1, count + 1):
        connect(loaders, 0, other)
        set_announced(loaders, other, 3, STORED)
    return loaders


def asked(loaders: Loaders, times: int = 600) -> np.ndarray:
    return np.bincount([choose_holder(loaders, 0, 3) for _ in range(times)], minlength=4) / times


def test_without_blame_all_are_asked_alike() -> None:
    assert np.abs(asked(swarm(4)) - 0.25).max() < 0.07


def test_who_failed_is_asked_last() -> None:
    loaders = swarm(4)
    loaders.link["blame"][0, 1] = 1
    loaders.link["blame"][0, 2] = 2
    shares = asked(loaders)
    assert shares[[1, 2]].tolist() == [0, 0]
    assert np.abs(shares[[0, 3]] - 0.5).max() < 0.07
    loaders.link["busy"][0, [0, 3]] = 1
    assert asked(loaders).tolist() == [0, 1, 0, 0]
    loaders.link["busy"][0, 1] = 1
    assert asked(loaders).tolist() == [0, 0, 1, 0]


def test_blame_moves_with_its_neighbour_and_ends_with_the_connection() -> None:
    loaders = swarm(3)
    loaders.link["blame"][0, 2] = 7
    disconnect(loaders, 0, 1)
    assert loaders.link["blame"][0, :2].tolist() == [0, 7]
    disconnect(loaders, 0, 3)
    connect(loaders, 0, 3)
    assert loaders.link["blame"][0, :2].tolist() == [0, 0]
