import pytest
from hypothesis import given
from hypothesis import strategies as st
from p2p_tracker.admission.rate_limits import Budget, Quota, client_address, networks, quota_key
from p2p_tracker.errors import OptionError

TRUSTED = networks(["10.0.0.0/8", "2001:db8::1"], "trusted_proxies")


@pytest.mark.parametrize(
    ("address", "forwarded", "found"),
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
def test_only_trusted_proxies_are_believed(address, forwarded, found):
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    assert client_address(address, headers, TRUSTED) == found


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
def test_a_site_shares_a_quota(address, key):
    assert quota_key(address) == key


def test_wrong_networks_are_named():
    with pytest.raises(OptionError, match=r"trusted_proxies = '10\.0\.0\.0/99'"):
        networks(["10.0.0.0/99"], "trusted_proxies")


def test_a_quota_counts_what_is_held():
    quota = Quota(2)
    assert [quota.take("a"), quota.take("a"), quota.take("a"), quota.take("b")] == [True, True, False, True]
    quota.give_back("a")
    assert quota.take("a")
    quota.give_back("b")
    quota.give_back("b")
    assert quota.take("b")
    endless = Quota(0)
    assert all(endless.take("a") for _ in range(1000))
    endless.give_back("a")


@given(st.lists(st.floats(0, 3), min_size=1, max_size=100), st.floats(0.1, 5), st.integers(1, 10), st.booleans())
def test_a_budget_allows_its_burst_and_its_rate_and_nothing_more(pauses, rate, burst, forgets):
    budget, now, allowed = Budget(rate, burst), 0.0, []
    for pause in pauses:
        now += pause
        if budget.spend("a", now):
            allowed.append(now)
        if forgets:
            budget.forget(now)
    for i, start in enumerate(allowed):
        for j, end in enumerate(allowed[i:], start=1):
            assert j <= burst + rate * (end - start) + 1e-6
    assert len(allowed) >= min(len(pauses), burst)


def test_budgets_recover_and_are_forgotten():
    budget = Budget(rate=1.0, burst=2.0)
    assert [budget.spend("a", 0.0) for _ in range(3)] == [True, True, False]
    assert budget.spend("b", 0.0)
    assert budget.spend("a", 1.0)
    budget.forget(2.5)
    assert set(budget._spent) == {"a"}
    assert all(Budget(0.0, 1.0).spend("a", 0.0) for _ in range(100))
    Budget(0.0, 1.0).forget(0.0)
