"""Values that a scenario refuses, each in one line with the value and what is accepted."""

import math

import pytest

from p2psim.errors import ScenarioError
from p2psim.scenario import Fault, Scenario
from p2psim.scenario.scenario import parse
from p2psim.scenario.validation import check


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[viewers]\ncount = 0", "at least 1"),
        ("[viewers]\nbrowsers = 101", "viewers.browsers = 101: at most all viewers"),
        ("[viewers]\ncrash_share = 1.5", "share between 0 and 1"),
        ('[viewers]\narrivals = "recorded"', "give one for each"),
        ('[viewers]\narrivals = "poisson"', "arrivals need a finite one"),
        ('[nat]\nmix = "none"', "accepted: open"),
        ("[access]\nmix = { adsl = 1.0 }", "no profile 'adsl'"),
        ("[access]\nmix = { ftth = 0.5 }", "adds up to 0.5"),
        ("[access]\nmix = { ftth = 2.0, us-cable = -1.0 }", "access.mix.us-cable = -1"),
        ('duration = "0 s"', "duration = 0"),
        ('duration = "-1 s"', "duration = -1"),
        ('duration = "unlimited"', "a finite number"),
        ('warmup = "10 min"', "less than the duration"),
        ('[stream]\nlive_latency = "2 min"', "the playlist holds only 60 s"),
        ('[stream]\nlive_latency = "1 s"', "at least one segment"),
        ("[stream]\nplaylist_segments = 2", "stream.playlist_segments = 2: must be at least 3"),
        ("[network]\ngoodput = 1.1", "must be 0 to 1"),
        ("[network]\nrtt_spread = nan", "nan"),
        ('[stream]\nladder = ["1 Mbit/s", "500 kbit/s"]', "500 kbit/s after 1 Mbit/s: bitrates must ascend"),
        ('[stream]\nladder = ["1 Mbit/s", "1 Mbit/s"]', "must ascend, none twice"),
        ('[stream]\nladder = ["0 Mbit/s", "1 Mbit/s"]', "stream.ladder = 0: must be greater than 0"),
        ('[stream]\nsegment = "0 s"', "stream.segment = 0: must be greater than 0"),
        ('[stream]\nbitrate = "-1 Mbit/s"', "stream.bitrate = -125000"),
        ('[origin]\nrate = "-1 Mbit/s"', "origin.rate = -125000"),
        ("[viewers]\ncount = 1000000000", "need about 4.2e+03 GB of memory"),
        ("[viewers]\nviewing_times = [1.0]", "1 entries for 0 in viewers.arrival_times"),
        ("[viewers]\narrival_times = [1.0]", 'with viewers.arrivals = "recorded" only, not with "uniform"'),
        ("[viewers]\narrival_times = [-1.0]", "viewers.arrival_times = -1"),
        ("[viewers]\narrival_times = [nan]", "viewers.arrival_times = nan"),
        ("[nat.shares]\nsymmetric = 0.5", "nat.shares adds up to 0.5"),
        ("[nat.shares]\nsymetric = 1.0", "nat.shares: no kind of NAT 'symetric'"),
        ("[nat.shares]\npublic = nan", "nat.shares.public = nan"),
        ("[household]\nsize_shares = [0.5]", "household.size_shares adds up to 0.5"),
        ("[household]\nsize_shares = []", "household.size_shares adds up to 0"),
        ("[regions]\nmix = { atlantis = 1.0 }", "no place 'atlantis'"),
        ("[regions]\nmix = { rio = 1.0 }\nadded_rtt = { 'rio | paris' = '1 s' }", "'rio | paris' is no pair"),
        ("[regions]\nstretch = 0.5", "must be at least 1"),
        ('[cdn]\nedges = "regions"', "needs regions.mix, which is empty"),
        ("[cdn]\noverflow_threshold = 0.5", "with a limited cdn.rate"),
        ("[hybrid]\nmin_load = 0.5", "hybrid.min_load = 0.5: needs a limited origin.rate"),
        ('[hybrid]\nends = "0 s"', "must be after hybrid.begins"),
        ("[channels]\ncount = 0", "1 to 10000"),
        ('[channels]\nmean_time_on_channel = "1 min"', "needs two channels or more"),
        ("[carrier]\ncount = 0", "at least 1"),
        ("[devices]\nmix = { toaster = 1.0 }", "no device 'toaster'"),
        ('[devices]\np2p_off = ["toaster"]', "no device 'toaster'"),
        ('[[faults]]\nat = "1 h"', "faults[0].at = 3600 s: must be before the end of the run (120 s)"),
        ('[[faults]]\nkind = "partition"', "accepted: none, as regions.mix is empty"),
        ("[[faults]]\ncapacity_left = 2", "faults.capacity_left = 2: a share between 0 and 1"),
        ('[viewers]\narrivals = "flash"', "flash arrivals need a finite one"),
        ('[viewers]\narrivals = "flash"\nmean_viewing_time = "60 s"\nsurge_factor = 0.5', "by 1 or more"),
        (
            "[[faults]]\ncapacity_left = 0.5",
            "faults[0].capacity_left = 0.5: needs a finite origin.rate; 0 is a full outage",
        ),
        ('[[faults]]\nkind = "edges"', "faults[0].kind = 'edges': there are none"),
    ],
)
def test_values_out_of_range_and_fields_that_do_not_fit_together_are_refused(text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as refusal:
        parse(text, origin="mine.toml")
    message = str(refusal.value)
    assert says in message
    assert message.startswith("mine.toml: ")
    assert "\n" not in message


def test_every_rule_of_a_field_holds_for_its_default() -> None:
    assert check(Scenario()) == Scenario()
    assert check(parse("[[faults]]")).faults == (Fault(),)


def test_what_is_unlimited_is_accepted_only_where_the_field_says_so() -> None:
    assert Scenario().replace({"origin.rate": "unlimited"}).origin.rate == math.inf
    with pytest.raises(ScenarioError, match=r"stream.bitrate = inf: a finite number"):
        Scenario().replace({"stream.bitrate": "unlimited"})
