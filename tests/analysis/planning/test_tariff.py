"""Bills worked out by hand."""

import pytest

from p2psim.analysis.planning.tariff import Delivered, Tariff, break_even_cdn, break_even_fee, tariff

WITHOUT = Delivered(origin=100e9, p2p=0.0, relayed=0.0, p95=100e6 / 8, viewer_hours=50.0)
WITH = Delivered(origin=40e9, p2p=60e9, relayed=9e9, p95=45e6 / 8, viewer_hours=50.0)


def test_by_the_gigabyte() -> None:
    at = Tariff(cdn_gb=0.02, fee_gb=0.005, turn_gb=0.05)
    assert at.cdn(WITHOUT) == pytest.approx(2.0)
    assert at.cdn(WITH) + at.sharing(WITH) == pytest.approx(0.8 + 0.3 + 0.45)


def test_by_the_95th_percentile_and_viewer_hours() -> None:
    at = Tariff(cdn_mbit=2.0, fee_hour=0.01)
    assert at.cdn(WITHOUT) == pytest.approx(200.0)
    assert at.cdn(WITH) + at.sharing(WITH) == pytest.approx(90.0 + 0.5)


@pytest.mark.parametrize("at", [Tariff(cdn_gb=0.02, fee_gb=0.005, turn_gb=0.05), Tariff(cdn_mbit=2.0, fee_hour=0.01)])
def test_at_break_even_both_bills_are_the_same(at: Tariff) -> None:
    price = break_even_cdn(at, WITHOUT, WITH)
    even = Tariff(
        cdn_gb=price if at.cdn_gb else 0.0, cdn_mbit=price if at.cdn_mbit else 0.0, fee_gb=at.fee_gb,
        fee_hour=at.fee_hour, turn_gb=at.turn_gb,
    )  # fmt: skip
    assert even.cdn(WITHOUT) == pytest.approx(even.cdn(WITH) + even.sharing(WITH))


def test_at_the_greatest_fee_both_bills_are_the_same() -> None:
    at = Tariff(cdn_gb=0.02, turn_gb=0.05)
    even = Tariff(cdn_gb=0.02, turn_gb=0.05, fee_hour=break_even_fee(at, WITHOUT, WITH))
    assert even.cdn(WITHOUT) == pytest.approx(even.cdn(WITH) + even.sharing(WITH))


def test_where_nothing_is_saved_no_price_pays() -> None:
    assert break_even_cdn(Tariff(cdn_gb=0.02, fee_gb=0.01), WITHOUT, WITHOUT) == float("inf")


def test_given_prices_replace_those_of_a_name() -> None:
    assert tariff("cloud-cdn-and-service", turn_gb=0.4) == Tariff(cdn_gb=0.085, fee_gb=0.01, turn_gb=0.4)
    assert tariff(None, cdn_mbit=1.5) == Tariff(cdn_mbit=1.5, turn_gb=0.05)
