"""Range headers."""

import pytest

from p2psim.testbed.origin.delivery import Reply, apply_range

BODY = bytes(range(100))


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=90-", 90, 100),
        ("bytes=90-1000", 90, 100),
        ("bytes=-7", 93, 100),
        ("bytes=-1000", 0, 100),
        ("bytes = 5 - 6", 5, 7),
    ],
)
def test_part(header: str, start: int, end: int) -> None:
    reply = apply_range(Reply(200, BODY, {"A": "b"}), header)
    assert (reply.status, reply.body) == (206, BODY[start:end])
    assert reply.headers == {"A": "b", "Content-Range": f"bytes {start}-{end - 1}/100"}


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_part_beyond_the_end(header: str) -> None:
    reply = apply_range(Reply(200, BODY), header)
    assert (reply.status, reply.body, reply.headers) == (416, b"", {"Content-Range": "bytes */100"})


@pytest.mark.parametrize(
    "header", [None, "", "bytes=", "bytes=-", "bytes=5-2", "bytes=1-2,4-5", "items=1-2", "bytes=x-"]
)
def test_header_that_is_ignored(header: str | None) -> None:
    assert apply_range(Reply(200, BODY), header) == Reply(200, BODY)


def test_a_range_does_not_apply_to_errors() -> None:
    assert apply_range(Reply(404, BODY), "bytes=1-2") == Reply(404, BODY)
