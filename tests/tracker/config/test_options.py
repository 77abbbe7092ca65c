from typing import Any

import pytest
from p2p_tracker.config.options import ServerOptions, TrackerOptions
from p2p_tracker.errors import OptionError


@pytest.mark.parametrize(
    "options",
    [
        {"interval": 0},
        {"interval_jitter": 1},
        {"heartbeat_timeout": -1},
        {"membership_timeout": 0},
        {"max_offers": -1},
        {"matching": "psychic"},
        {"takeover": "never"},
        {"interval": float("inf")},
        {"port": 65536},
        {"tls_key": "a file"},
        {"max_message": 10},
        {"turn_lifetime": 0.0},
        {"announce_burst": 0.5},
        {"max_memory": -1.0},
        {"log_level": "loud"},
        {"log_format": "xml"},
    ],
)
def test_invalid_values_are_refused_with_name_and_value(options: dict[str, Any]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(OptionError, match=name) as caught:
        ServerOptions(**options)
    assert repr(value) in str(caught.value)


def test_the_lifetime_is_two_and_a_half_intervals_by_default() -> None:
    assert TrackerOptions(interval=20).lifetime == 50
    assert TrackerOptions(interval=20, membership_timeout=33).lifetime == 33
