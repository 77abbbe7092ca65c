import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from p2p_tracker.admission.tokens import sign, verify

from tests.tracker.examples import OTHER_SWARM, SWARM


def test_a_token_allows_its_swarms_until_it_expires() -> None:
    everything = verify("secret", sign("secret", 100.0), 99.0)
    assert everything is not None
    assert everything.allows(SWARM)
    one = verify("secret", sign("secret", 100.0, [SWARM]), 99.0)
    assert one is not None
    assert (one.allows(SWARM), one.allows(OTHER_SWARM)) == (True, False)
    assert verify("secret", sign("secret", 100.0), 100.0) is None
    assert verify("other", sign("secret", 100.0), 0.0) is None


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_any_other_text_is_not_a_token(text: str) -> None:
    assert verify("secret", text, 0.0) is None
    assert verify("secret", f"{text}.{sign('secret', 9.0).partition('.')[2]}", 0.0) is None


@pytest.mark.parametrize(
    "payload", ["null", "[]", "{}", '{"exp":"x"}', '{"exp":9,"swarms":5}', '{"exp":9,"swarms":["x"]}', "{"]
)
def test_a_signed_payload_without_valid_claims_is_not_a_token(payload: str) -> None:
    body = base64.urlsafe_b64encode(payload.encode()).rstrip(b"=").decode()
    mac = base64.urlsafe_b64encode(hmac.digest(b"secret", body.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert verify("secret", f"{body}.{mac}", 0.0) is None


def test_tokens_made_by_other_programs_are_accepted() -> None:
    body = base64.urlsafe_b64encode(json.dumps({"exp": 10}).encode()).rstrip(b"=")
    mac = base64.urlsafe_b64encode(hmac.digest(b"secret", body, hashlib.sha256)).rstrip(b"=")
    assert verify("secret", f"{body.decode()}.{mac.decode()}", 9.0) is not None
