from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from p2p_tracker.server.http import HttpError, Response, as_json, info_hash_of, parse_request, render


def test_a_request_is_parsed() -> None:
    request = parse_request(b"GET /a%20b?x=1&y= HTTP/1.1\r\nHost: h\r\nAccept:  a \r\nACCEPT:b")
    assert (request.method, request.path, request.query) == ("GET", "/a%20b", {"x": "1", "y": ""})
    assert request.headers == {"host": "h", "accept": "a, b"}


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (b"HEAD / HTTP/1.0", "/"),
        (b"GET http://h/a/b HTTP/1.1", "/a/b"),
        (b"GET http://h HTTP/1.1", "/"),
        (b"OPTIONS * HTTP/1.1", "*"),
    ],
)
def test_every_form_of_request_target_is_accepted(line: bytes, path: str) -> None:
    assert parse_request(line).path == path


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"G\xffT / HTTP/1.1", 400),
        (b"GET nothing HTTP/1.1", 400),
        (b"GET / HTTP/2.0", 505),
        (b"GET / HTTP/1.1\r\nno colon", 400),
        (b"GET / HTTP/1.1\r\n folded: x", 400),
        (b"GET / HTTP/1.1\r\n" + b"\r\n".join([b"a: b"] * 101), 431),
    ],
)
def test_malformed_requests_are_refused_with_a_status(head: bytes, status: int) -> None:
    with pytest.raises(HttpError) as caught:
        parse_request(head)
    assert caught.value.response.status == status


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_request_or_an_error(head: bytes) -> None:
    with suppress(HttpError):
        parse_request(head)


def test_a_response_states_its_length_even_without_its_body() -> None:
    response = as_json({"a": 1})
    assert render(response).endswith(b'\r\n\r\n{"a": 1}\n')
    head = render(response, has_body=False)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 9\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-Length: 0" in render(Response())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00ff" * 10, "\x00\xff" * 10),
        ("00FF" * 10, "\x00\xff" * 10),
        ("abcdefghijklmnopqrs%2F", "abcdefghijklmnopqrs/"),
        ("%C3%BF" * 20, "\xff" * 20),
        ("%FF" * 20, "\xff" * 20),
        ("abc", None),
        ("%C4%80" * 20, None),
        ("x" * 40, None),
    ],
)
def test_info_hashes_are_parsed_from_urls(text: str, expected: str | None) -> None:
    assert info_hash_of(text) == expected
