"""Bills worked out by hand."""

import pytest

from p2psim.analysis.prices import Prices, bill, prices
from p2psim.errors import InputError

SUMS = {"origin_bytes": 40e9, "p2p_bytes": 60e9, "relay_bytes": 9e9, "base_origin_bytes": 100e9, "base_p2p_bytes": 0.0}
SUMS["base_relay_bytes"] = 0.0


@pytest.mark.parametrize(
    ("cdn", "service", "turn", "ratio"),
    [
        # 60 % from peers, 15 % of it relayed: net cost ratio 1 - p + p f t/c
        (0.01, 0.0, 0.05, 0.85),
        (0.085, 0.0, 0.05, 0.453),
        (0.01, 0.0, 0.4, 4.0),
        (0.01, 0.01, 0.0, 1.0),
    ],
)
def test_relays_and_fees_can_cost_more_than_they_save(cdn: float, service: float, turn: float, ratio: float) -> None:
    at = Prices(cdn=cdn, service=service, turn=turn, source="test")
    assert bill(SUMS, at) / bill(SUMS, at, "base_") == pytest.approx(ratio, abs=5e-4)


def test_bundled_prices_name_their_source() -> None:
    assert prices("cloud-cdn").cdn == 0.085
    assert "CloudFront" in prices("cloud-cdn").source
    with pytest.raises(InputError, match="accepted: cloud-cdn"):
        prices("free")
