"""What planners write: read, or refused with what to write instead."""

import pytest

from p2psim.analysis.planning.inputs import Inputs, PlanInputs, read_inputs
from p2psim.errors import InputError


def test_words_become_a_scenario() -> None:
    inputs = read_inputs(
        PlanInputs(
            viewers="20,000", event="Match", bitrate="6 Mbit/s", country="Brazil", mobile="30 %", cdn_price="0.02"
        )
    )
    assert inputs.audience.peak == 20_000
    assert inputs.scenario.stream.bitrate == 750_000
    assert inputs.access_mix == {"brazil-fibre": 0.7, "brazil-mobile": 0.3}
    assert sum(inputs.nat_shares.values()) == pytest.approx(1.0)
    assert inputs.tariff.cdn_gb == 0.02


@pytest.mark.parametrize("bitrate", ["6 Mbps", "6 Mb/s", "6000 kbps", "6 Mbit/s", 750_000])
def test_rates_in_every_spelling(bitrate: str | float) -> None:
    assert read_inputs(PlanInputs(viewers=10, bitrate=bitrate)).bitrate == 750_000


def test_a_ladder_by_name_or_by_steps() -> None:
    assert read_inputs(PlanInputs(viewers=10, ladder="short-ladder")).ladder == (137_500, 375_000, 750_000)
    assert read_inputs(PlanInputs(viewers=10, ladder="1 Mbit/s, 2 Mbps")).ladder == (125_000, 250_000)
    assert read_inputs(PlanInputs(viewers=10, ladder=["1 Mbit/s"])).bitrate == 125_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "viewers is missing"),
        ({"viewers": 0}, "viewers = 0: a number from 1"),
        ({"viewers": 1.5}, "viewers = 1.5: a whole number"),
        ({"viewers": "many"}, "viewers = 'many'"),
        ({"viewers": 10, "bitrate": 6}, "bitrate = 6: 48 bit/s is not a bitrate of video; write for example"),
        ({"viewers": 10, "bitrate": "6 MBits"}, "'6 MBits' is not a rate"),
        ({"viewers": 10, "bitrate": "fast"}, "bitrate: 'fast' is not a rate"),
        ({"viewers": 10, "country": "brasil"}, "country = 'brasil': did you mean 'brazil'"),
        ({"viewers": 10, "nat": "mobil"}, "did you mean 'mobile'"),
        ({"viewers": 10, "mobile": 30}, "mobile = 30: a share is expected: write '30 %' or 0.3"),
        ({"viewers": 10, "latency": 0}, "latency = 0: a time above 0"),
        ({"viewers": 10, "latency": "2 s"}, "stream.live_latency = 2 s: at least one segment"),
        ({"viewers": 10, "ladder": "aple-ladder"}, "did you mean 'apple-ladder'"),
        ({"viewers": 10, "ladder": "3 Mbit/s, 1 Mbit/s"}, "bitrates must ascend"),
        ({"viewers": 10, "ladder": "short-ladder", "bitrate": "1 Mbit/s"}, "a ladder is given too"),
        ({"viewers": 10, "access": "ftth:40%,dsl:40%"}, "add up to 80%"),
        ({"viewers": 10, "access": "ftht"}, "did you mean 'ftth'"),
        ({"viewers": 10, "access": "ftth", "mobile": 0.2}, "mobile = 0.2: access is given too"),
        ({"viewers": 10, "cdn_price": -1}, "cdn_price = -1: dollars"),
        ({"viewers": 10, "cdn_price": 0.02, "p95_price": 2}, "one of them is accepted"),
        ({"viewers": 10, "prices": "cloud"}, "did you mean 'cloud-cdn'"),
        ({"viewers": 10, "event": "match", "hours": 3}, "hours = 3"),
        ({"viewers": 10, "csv": "x.csv"}, "viewers or event are given too"),
        ({"csv": "/nowhere/x.csv"}, "/nowhere/x.csv: cannot be read"),
        ({"viewers": 10, "changes": {"policy.maxPers": 3}}, "did you mean 'maxPeers'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        read_inputs(PlanInputs(**given))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_long_latency_gets_a_long_playlist() -> None:
    stream = read_inputs(PlanInputs(viewers=10, latency="90 s")).scenario.stream
    assert stream.playlist_segments * stream.segment >= 90


def test_every_input_is_said() -> None:
    inputs: Inputs = read_inputs(PlanInputs(viewers=10, channels=5, relay=0.5, changes={"policy.maxPeers": 9}))
    said = " ".join(f"{name} {value}" for name, value in inputs.rows())
    for word in ("10 viewers", "5 channels", "50 % of the pairs", "policy.maxPeers 9", "$0.085 per GB"):
        assert word in said
