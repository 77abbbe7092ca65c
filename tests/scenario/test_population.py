"""Who comes: distributions, and that one property does not shift another."""

import numpy as np
import pytest

from p2psim.scenario import NAT_KINDS, Population, Scenario, populate
from p2psim.scenario.population import HAIRPIN, HOST, NO_WAY, NOWHERE, channel_shares, device_names
from p2psim.scenario.presets import access_profiles, nat_mixes


def draw(replication: int = 0, /, **changes: object) -> Population:
    scenario = Scenario().replace({"duration": 600.0, "viewers.count": 2000, **changes})
    return populate(scenario, 1, replication)


def test_same_seed_same_viewers() -> None:
    one, two = draw(), draw()
    assert (one.joined_at == two.joined_at).all()
    assert (one.nat == two.nat).all()
    assert not (one.joined_at == draw(1).joined_at).any()


@pytest.mark.parametrize(
    "change",
    [
        {"nat.mix": "mobile"},
        {"access.uplink": "3 Mbit/s"},
        {"viewers.crash_share": 0.9},
        {"viewers.sharing": 0.5},
        {"policy.name": "http-only"},
    ],
)
def test_one_change_leaves_the_rest_as_it_was(change: dict[str, object]) -> None:
    base = {"viewers.mean_viewing_time": 100.0, "access.spread": 0.5}
    one, two = draw(**base), draw(**base, **change)
    assert (one.joined_at == two.joined_at).all()
    assert (one.left_at == two.left_at).all()
    assert (one.downlink == two.downlink).all()
    if "nat.mix" not in change:
        assert (one.nat == two.nat).all()


def test_nat_shares_are_those_of_the_mix() -> None:
    found = np.bincount(draw(**{"viewers.count": 20000}).nat, minlength=len(NAT_KINDS)) / 20000
    assert found == pytest.approx(nat_mixes()["average"], abs=0.01)


def test_nobody_leaves_after_the_end() -> None:
    viewers = draw(**{"viewers.mean_viewing_time": 300.0})
    assert viewers.left_at.max() == 600.0
    assert {name for name, left in zip(viewers.departures, viewers.left_at, strict=True) if left == 600.0} == {"end"}
    assert "crash" in viewers.departures
    assert len(viewers.nat_names) == len(viewers) == 2000


def test_profiles_mix_and_mobile_viewers_do_not_upload() -> None:
    viewers = draw(**{"access.mix": {"us-cable": 0.5, "mobile": 0.5}, "access.lent": 0.5})
    assert viewers.mobile.mean() == pytest.approx(0.5, abs=0.05)
    assert not (viewers.uploads & viewers.mobile).any()
    cable = access_profiles()["us-cable"]
    assert cable is not None
    assert np.median(viewers.uplink[~viewers.mobile]) == pytest.approx(cable.uplink / 2, rel=0.05)
    assert np.median(viewers.downlink[~viewers.mobile]) == pytest.approx(cable.downlink, rel=0.05)


HOMES = {
    "household.size_shares": (0.5, 0.3, 0.2),
    "access.mix": {"us-cable": 0.5, "mobile": 0.5},
    "viewers.count": 6000,
}


def test_a_home_has_one_link_one_nat_one_place() -> None:
    viewers = draw(
        **HOMES, **{"nat.mix": "mixed", "regions.mix": {"rio": 0.5, "tokyo": 0.5}, "carrier.home_share": 0.5}
    )
    sizes = np.bincount(viewers.home)
    shares = np.bincount(sizes, minlength=4)[1:4] / len(sizes)
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    _, first = np.unique(viewers.home, return_index=True)
    for name in ("uplink", "downlink", "nat", "ipv6", "region", "carrier", "within"):
        values = getattr(viewers, name)
        assert (values == values[first][viewers.home]).all(), name
    assert len(np.unique(viewers.region)) == 2


def test_homes_of_one_are_the_viewers_themselves() -> None:
    viewers = draw()
    assert (viewers.home == np.arange(len(viewers))).all()
    assert (viewers.neighbourhood == NOWHERE).all()
    assert (viewers.carrier == NOWHERE).all()
    assert (viewers.region == 0).all()
    assert (viewers.channel == 0).all()
    assert viewers.p2p.all()


def test_neighbourhoods_hold_their_number_and_never_split_a_home() -> None:
    viewers = draw(**HOMES, **{"neighbourhood.viewers": 40, "regions.mix": {"rio": 0.7, "tokyo": 0.3}})
    sizes = np.bincount(viewers.neighbourhood)
    assert sizes.min() >= 1
    assert sizes[1:-1].min() >= 38
    assert sizes.max() <= 42
    _, first = np.unique(viewers.home, return_index=True)
    assert (viewers.neighbourhood == viewers.neighbourhood[first][viewers.home]).all()
    together = [len(set(viewers.region[viewers.neighbourhood == n])) for n in range(len(sizes))]
    assert sum(count > 1 for count in together) <= 1


def test_ways_within_a_home() -> None:
    viewers = draw(**{"household.direct_share": 0.5, "household.hairpin": 0.2, "viewers.count": 20000})
    assert (viewers.within == HOST).mean() == pytest.approx(0.5, abs=0.02)
    assert (viewers.within == HAIRPIN).mean() == pytest.approx(0.1, abs=0.02)
    assert (viewers.within == NO_WAY).mean() == pytest.approx(0.4, abs=0.02)


def test_devices_mix_and_may_be_kept_from_peers() -> None:
    viewers = draw(**{"devices.mix": {"tv": 0.3, "mobile": 0.7}, "devices.p2p_off": ("tv",), "viewers.sharing": 1.0})
    tv = viewers.device == device_names().index("tv")
    assert tv.mean() == pytest.approx(0.3, abs=0.04)
    assert (viewers.p2p == ~tv).all()
    assert (viewers.uploads == ~viewers.mobile).all()
    assert (viewers.mobile == ~tv).all()


def test_own_nat_shares_take_the_place_of_the_mix() -> None:
    viewers = draw(**{"nat.shares": {"AD/EI": 0.25, "public": 0.75}, "viewers.count": 20000})
    assert set(viewers.nat_names) == {"AD/EI", "public"}
    assert viewers.nat_names.count("AD/EI") == pytest.approx(5000, rel=0.05)


def test_carriers_share_kinds_among_them() -> None:
    viewers = draw(
        **{"carrier.home_share": 0.4, "carrier.count": 400, "carrier.kinds": {"symmetric": 0.25, "full-cone": 0.75}}
    )
    assert (viewers.carrier != NOWHERE).mean() == pytest.approx(0.4, abs=0.04)
    assert [NAT_KINDS[kind] for kind in viewers.carrier_nat].count("symmetric") == pytest.approx(100, abs=30)


def test_channels_are_as_popular_as_zipf_says() -> None:
    scenario = Scenario().replace({"channels.count": 4, "channels.zipf": 1.0})
    assert channel_shares(scenario) == pytest.approx(np.array([12, 6, 4, 3]) / 25)
    viewers = draw(**{"channels.count": 4, "viewers.count": 20000})
    assert np.bincount(viewers.channel) / 20000 == pytest.approx(channel_shares(scenario), abs=0.012)
