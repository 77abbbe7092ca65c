import pytest
from p2p_tracker.server.handshake import accept, is_upgrade
from p2p_tracker.server.http import HttpError

GOOD = {
    "upgrade": "websocket",
    "connection": "keep-alive, Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-extensions": "permessage-deflate",
}


@pytest.mark.parametrize(
    "connection", ["Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive", "a , UPGRADE"]
)
def test_a_valid_request_is_upgraded(connection: str) -> None:
    answer = accept({**GOOD, "connection": connection}).decode()
    assert answer.startswith("HTTP/1.1 101 ")
    assert answer.endswith("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")  # the example of RFC 6455
    assert "extensions" not in answer.lower()


@pytest.mark.parametrize(
    ("changed", "status", "named"),
    [
        ({"connection": "keep-alive"}, 400, "Upgrade"),
        ({"connection": "upgraded"}, 400, "Upgrade"),
        ({"sec-websocket-version": "12"}, 426, "13"),
        ({"sec-websocket-version": "13, 13"}, 426, "13"),
        ({"sec-websocket-key": ""}, 400, "Key"),
        ({"sec-websocket-key": "short"}, 400, "Key"),
        ({"sec-websocket-key": "a" * 24}, 400, "Key"),
        ({"sec-websocket-key": "a" * 16_000}, 400, "Key"),
        ({"sec-websocket-key": "é" * 24}, 400, "Key"),
        ({"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==, x"}, 400, "Key"),
    ],
)
def test_an_invalid_request_is_refused_with_a_reason(changed: dict[str, str], status: int, named: str) -> None:
    with pytest.raises(HttpError, match=named) as caught:
        accept({**GOOD, **changed})
    assert caught.value.response.status == status


@pytest.mark.parametrize(
    ("headers", "expected"), [(GOOD, True), ({"upgrade": "WebSocket"}, True), ({"upgrade": "h2c"}, False), ({}, False)]
)
def test_upgrade_requests_are_recognised(headers: dict[str, str], expected: bool) -> None:
    assert is_upgrade(headers) is expected
