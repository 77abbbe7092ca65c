import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from p2p_tracker.admission.tokens import sign, verify
from p2p_tracker.server.ice_servers import ice_servers, turn_password

from tests.tracker.examples import OTHER_SWARM, SWARM


def test_a_token_allows_what_it_says_until_it_expires():
    everything = verify("secret", sign("secret", 100.0), 99.0)
    assert everything.allows(SWARM)
    one = verify("secret", sign("secret", 100.0, [SWARM]), 99.0)
    assert (one.allows(SWARM), one.allows(OTHER_SWARM)) == (True, False)
    assert verify("secret", sign("secret", 100.0), 100.0) is None
    assert verify("other", sign("secret", 100.0), 0.0) is None


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_nothing_else_is_a_token(text):
    assert verify("secret", text, 0.0) is None
    assert verify("secret", f"{text}.{sign('secret', 9.0).partition('.')[2]}", 0.0) is None


@pytest.mark.parametrize(
    "payload", ["null", "[]", "{}", '{"exp":"x"}', '{"exp":9,"swarms":5}', '{"exp":9,"swarms":["x"]}', "{"]
)
def test_a_signature_does_not_make_nonsense_a_token(payload):
    body = base64.urlsafe_b64encode(payload.encode()).rstrip(b"=").decode()
    mac = base64.urlsafe_b64encode(hmac.digest(b"secret", body.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert verify("secret", f"{body}.{mac}", 0.0) is None


def test_other_software_can_make_tokens():
    body = base64.urlsafe_b64encode(json.dumps({"exp": 10}).encode()).rstrip(b"=")
    mac = base64.urlsafe_b64encode(hmac.digest(b"secret", body, hashlib.sha256)).rstrip(b"=")
    assert verify("secret", f"{body.decode()}.{mac.decode()}", 9.0) is not None


def test_turn_passwords_are_those_of_openssl():
    # printf 1700000000:viewer | openssl dgst -sha1 -hmac north -binary | base64
    assert turn_password("north", "1700000000:viewer") == "6+yi/bVtfd33MEvbIUAHKkmAKPw="


def test_relays_are_named_only_with_a_secret():
    assert ice_servers([], [], "", 0.0) == []
    assert ice_servers(["stun:a"], ["turn:b"], "", 0.0) == [{"urls": ["stun:a"]}]
    _, turn = ice_servers(["stun:a"], ["turn:b", "turns:b"], "north", 1700000000.5)
    assert turn["urls"] == ["turn:b", "turns:b"]
    assert turn["username"] == "1700000000:viewer"
    assert turn["credential"] == turn_password("north", "1700000000:viewer")
