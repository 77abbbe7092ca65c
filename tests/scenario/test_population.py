"""Who comes: distributions, and that one property does not shift another."""

import math

import numpy as np
import pytest

from p2psim.scenario import NAT_KINDS, Population, Scenario, populate
from p2psim.scenario.presets import access_profiles, nat_mixes


def draw(replication: int = 0, **changes: object) -> Population:
    scenario = Scenario().replace({"duration": 600.0, "viewers.count": 2000, **changes})
    return populate(scenario, 1, replication)


def test_same_seed_same_viewers() -> None:
    one, two = draw(), draw()
    assert (one.joined_at == two.joined_at).all()
    assert (one.nat == two.nat).all()
    assert not (one.joined_at == draw(replication=1).joined_at).any()


@pytest.mark.parametrize(
    "change",
    [
        {"nat.mix": "mobile"},
        {"access.uplink": "3 Mbit/s"},
        {"viewers.crash": 0.9},
        {"viewers.sharing": 0.5},
        {"policy.name": "http-only"},
    ],
)
def test_one_change_leaves_the_rest_as_it_was(change: dict[str, object]) -> None:
    base = {"viewers.viewing": 100.0, "access.spread": 0.5}
    one, two = draw(**base), draw(**base, **change)
    assert (one.joined_at == two.joined_at).all()
    assert (one.left_at == two.left_at).all()
    assert (one.downlink == two.downlink).all()
    if "nat.mix" not in change:
        assert (one.nat == two.nat).all()


def test_nat_shares_are_those_of_the_mix() -> None:
    found = np.bincount(draw(**{"viewers.count": 20000}).nat, minlength=len(NAT_KINDS)) / 20000
    assert found == pytest.approx(nat_mixes()["average"], abs=0.01)


def test_viewing_times_have_their_mean_whatever_their_law() -> None:
    for spread in (0.0, 1.0):
        viewers = draw(**{"duration": 1e6, "viewers.count": 20000, "viewers.viewing": 100.0, "viewers.spread": spread})
        assert (viewers.left_at - viewers.joined_at).mean() == pytest.approx(100, rel=0.05)


def test_nobody_leaves_after_the_end() -> None:
    viewers = draw(**{"viewers.viewing": 300.0})
    assert viewers.left_at.max() == 600.0
    assert {name for name, left in zip(viewers.departures, viewers.left_at, strict=True) if left == 600.0} == {"end"}
    assert "crash" in viewers.departures
    assert len(viewers.nat_names) == len(viewers) == 2000


def test_poisson_keeps_the_audience_at_its_size() -> None:
    viewers = draw(
        **{"viewers.count": 200, "viewers.arrivals": "poisson", "viewers.viewing": 60.0, "viewers.over": 0.0}
    )
    at = np.arange(0, 600, 10)
    present = [(np.sum((viewers.joined_at <= t) & (viewers.left_at > t))) for t in at]
    assert np.mean(present) == pytest.approx(200, rel=0.1)


def test_recorded_arrivals_are_taken_as_they_are() -> None:
    joins = (5.0, 1.0, 3.0)
    viewers = draw(**{"viewers.count": 3, "viewers.arrivals": "recorded", "viewers.joins": joins})
    assert viewers.joined_at.tolist() == [1.0, 3.0, 5.0]
    assert (viewers.left_at == 600.0).all()


def test_profiles_mix_and_mobile_viewers_do_not_upload() -> None:
    viewers = draw(**{"access.mix": {"us-cable": 0.5, "mobile": 0.5}, "access.lent": 0.5})
    assert viewers.mobile.mean() == pytest.approx(0.5, abs=0.05)
    assert not (viewers.uploads & viewers.mobile).any()
    cable = access_profiles()["us-cable"]
    assert cable is not None
    assert np.median(viewers.uplink[~viewers.mobile]) == pytest.approx(cable.uplink / 2, rel=0.05)
    assert np.median(viewers.downlink[~viewers.mobile]) == pytest.approx(cable.downlink, rel=0.05)


def test_every_preset_names_its_source() -> None:
    for name, profile in access_profiles().items():
        assert profile is None or profile.source, name
    for name, mix in nat_mixes().items():
        assert math.isclose(sum(mix), 1.0), name
