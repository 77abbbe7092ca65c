import pytest
from hypothesis import given
from hypothesis import strategies as st
from p2p_tracker.admission.rate_limits import Quota, RateLimiter, client_address, networks, quota_key
from p2p_tracker.errors import OptionError

TRUSTED = networks(["10.0.0.0/8", "2001:db8::1"], "trusted_proxies")


@pytest.mark.parametrize(
    ("address", "forwarded", "expected"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("2001:db8::1", "2001:db8:1::5", "2001:db8:1::5"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.1.1.1", "10.1.1.1"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("", "198.51.100.7", ""),
    ],
)
def test_x_forwarded_for_is_used_only_behind_trusted_proxies(
    address: str, forwarded: str | None, expected: str
) -> None:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    assert client_address(address, headers, TRUSTED) == expected


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "nonsense"),
    ],
)
def test_addresses_of_one_ipv6_site_share_a_key(address: str, key: str) -> None:
    assert quota_key(address) == key


def test_invalid_networks_are_named_in_the_error() -> None:
    with pytest.raises(OptionError, match=r"trusted_proxies = '10\.0\.0\.0/99'"):
        networks(["10.0.0.0/99"], "trusted_proxies")


def test_a_quota_limits_what_a_key_holds_at_a_time() -> None:
    quota = Quota(2)
    assert [quota.acquire("a"), quota.acquire("a"), quota.acquire("a"), quota.acquire("b")] == [True, True, False, True]
    quota.release("a")
    assert quota.acquire("a")
    quota.release("b")
    quota.release("b")
    assert quota.acquire("b")
    endless = Quota(0)
    assert all(endless.acquire("a") for _ in range(1000))
    endless.release("a")


@given(st.lists(st.floats(0, 3), min_size=1, max_size=100), st.floats(0.1, 5), st.integers(1, 10), st.booleans())
def test_a_rate_limiter_allows_its_burst_and_its_rate_and_no_more(
    pauses: list[float], rate: float, burst: int, prunes: bool
) -> None:
    limiter: RateLimiter[str] = RateLimiter(rate, burst)
    now, allowed = 0.0, []
    for pause in pauses:
        now += pause
        if limiter.allow("a", now):
            allowed.append(now)
        if prunes:
            limiter.prune(now)
    for i, start in enumerate(allowed):
        for j, end in enumerate(allowed[i:], start=1):
            assert j <= burst + rate * (end - start) + 1e-6
    assert len(allowed) >= min(len(pauses), burst)


def test_rate_limits_recover_and_full_buckets_are_pruned() -> None:
    limiter: RateLimiter[str] = RateLimiter(rate=1.0, burst=2.0)
    assert [limiter.allow("a", 0.0) for _ in range(3)] == [True, True, False]
    assert limiter.allow("b", 0.0)
    assert limiter.allow("a", 1.0)
    limiter.prune(2.5)
    assert set(limiter._spent) == {"a"}
    unlimited: RateLimiter[str] = RateLimiter(0.0, 1.0)
    assert all(unlimited.allow("a", 0.0) for _ in range(100))
    unlimited.prune(0.0)
