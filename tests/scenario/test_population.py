"""Who comes: distributions, and that one property does not shift another."""

import math

import numpy as np
import pytest

from p2psim.scenario import NAT_KINDS, Population, Scenario, populate
from p2psim.scenario.population import HAIRPIN, HOST, NO_WAY, NOWHERE, channel_shares, device_names
from p2psim.scenario.presets import access_profiles, crypto_rates, nat_mixes, places


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


def test_viewing_times_have_their_mean_whatever_their_law() -> None:
    for spread in (0.0, 1.0):
        viewers = draw(
            **{
                "duration": 1e6,
                "viewers.count": 20000,
                "viewers.mean_viewing_time": 100.0,
                "viewers.viewing_time_spread": spread,
            }
        )
        assert (viewers.left_at - viewers.joined_at).mean() == pytest.approx(100, rel=0.05)


def test_nobody_leaves_after_the_end() -> None:
    viewers = draw(**{"viewers.mean_viewing_time": 300.0})
    assert viewers.left_at.max() == 600.0
    assert {name for name, left in zip(viewers.departures, viewers.left_at, strict=True) if left == 600.0} == {"end"}
    assert "crash" in viewers.departures
    assert len(viewers.nat_names) == len(viewers) == 2000


def test_poisson_keeps_the_audience_at_its_size() -> None:
    viewers = draw(
        **{
            "viewers.count": 200,
            "viewers.arrivals": "poisson",
            "viewers.mean_viewing_time": 60.0,
            "viewers.arrival_period": 0.0,
        }
    )
    at = np.arange(0, 600, 10)
    present = [(np.sum((viewers.joined_at <= t) & (viewers.left_at > t))) for t in at]
    assert np.mean(present) == pytest.approx(200, rel=0.1)


def test_recorded_arrivals_are_taken_as_they_are() -> None:
    joins = (5.0, 1.0, 3.0)
    viewers = draw(**{"viewers.count": 3, "viewers.arrivals": "recorded", "viewers.arrival_times": joins})
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
    for name, place in places().items():
        assert place.source, name
        assert abs(place.latitude) <= 90, name
        assert abs(place.longitude) <= 180, name
    assert set(crypto_rates()) == {"desktop", "mobile", "tv"}


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


def test_a_surge_brings_what_its_integral_says() -> None:
    """Base rate λ, factor s: a rise over r seconds adds λ(s-1)r/2, its decay λ(s-1)d once it has died away."""
    changes = {
        "viewers.arrivals": "flash", "viewers.count": 2000, "viewers.arrival_period": 0.0,
        "viewers.mean_viewing_time": 1000.0, "viewers.surge_factor": 10.0, "viewers.surge_at": 100.0,
        "viewers.surge_rise": 60.0, "viewers.surge_decay": 40.0,
    }  # fmt: skip
    came = np.mean([np.sum(draw(replication, **changes).joined_at > 0) for replication in range(10)])
    assert came == pytest.approx(2.0 * (600 + 9 * (60 / 2 + 40)), rel=0.02)
    joined = draw(**changes).joined_at
    peak, quiet = np.sum((joined > 150) & (joined < 170)), np.sum((joined > 20) & (joined < 40))
    assert peak / quiet > 5


def test_a_day_swings_around_its_mean() -> None:
    changes = {
        "duration": 4000.0, "viewers.arrivals": "diurnal", "viewers.mean_viewing_time": 10.0, "viewers.count": 50,
        "viewers.day_length": 1000.0, "viewers.start_time_of_day": 0.0, "viewers.peak_time_of_day": 250.0,
        "viewers.daily_swing": 0.8, "viewers.arrival_period": 0.0,
    }  # fmt: skip
    joined = draw(**changes).joined_at
    assert len(joined) == pytest.approx(4000 * 5, rel=0.05)
    phase = joined % 1000
    top, bottom = np.sum((phase > 200) & (phase < 300)), np.sum((phase > 700) & (phase < 800))
    # mean of 1 ± 0.8 cos over ±18 degrees
    assert top / bottom == pytest.approx((1 + 0.8 * 0.984) / (1 - 0.8 * 0.984), rel=0.15)


def test_viewing_times_may_be_fixed_or_recorded() -> None:
    fixed = draw(**{"viewers.mean_viewing_time": 50.0, "viewers.fixed_viewing_time": True})
    assert (fixed.left_at - fixed.joined_at) == pytest.approx(np.full(2000, 50.0))
    changes = {
        "viewers.count": 2,
        "viewers.arrivals": "recorded",
        "viewers.arrival_times": (5.0, 1.0),
        "viewers.viewing_times": (7, 9),
    }
    recorded = draw(**changes)
    assert recorded.left_at.tolist() == [10.0, 12.0]
