"""Minimal sans-IO HTTP/1.1: one request without a body, one response, then the connection closes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from p2p_tracker.core.protocol import is_id
from p2p_tracker.errors import TrackerError

__all__ = ["MAX_HEAD", "HttpError", "Request", "Response", "as_json", "info_hash_of", "parse_request", "render"]

MAX_HEAD = 16 * 1024
"""Largest accepted size of request line and headers, in bytes."""

_MAX_HEADERS = 100
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Request:
    """Request without a body; header names are in lower case, and repeated headers are joined by commas."""

    method: str
    path: str
    """Path as sent (percent-encoded), without the query."""
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """Response."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


class HttpError(TrackerError):
    """Request that is malformed or cannot be accepted, with the response to it."""

    def __init__(self, status: HTTPStatus, reason: str, headers: Mapping[str, str] = MappingProxyType({})):
        super().__init__(reason)
        self.response = Response(status, reason.encode() + b"\n", headers=dict(headers))


def as_json(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a response with `value` as JSON."""
    return Response(status, json.dumps(value).encode() + b"\n", "application/json")


def parse_request(head: bytes) -> Request:
    """Return the request that request line and headers describe; `head` excludes the empty line after them.

    Raises
    ------
    HttpError
        When they are malformed.
    """
    line, *rest = head.decode("latin-1").split("\r\n")
    parts = line.split(" ")
    if len(parts) != 3 or not parts[0] or not _TOKEN.issuperset(parts[0]):
        raise HttpError(HTTPStatus.BAD_REQUEST, "the request line must be METHOD TARGET HTTP/1.1")
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 and HTTP/1.0 are accepted")
    if target.startswith(("http://", "https://")):
        target = "/" + target.split("/", 3)[3] if target.count("/") >= 3 else "/"
    if not target.startswith("/") and target != "*":
        raise HttpError(HTTPStatus.BAD_REQUEST, "the request target must begin with / or be *")
    path, _, query = target.partition("?")
    return Request(method, path, dict(parse_qsl(query, keep_blank_values=True)), _headers(rest))


def _headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > _MAX_HEADERS:
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"at most {_MAX_HEADERS} headers are accepted")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or not _TOKEN.issuperset(name):
            raise HttpError(HTTPStatus.BAD_REQUEST, "a header must be NAME: VALUE on one line")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def render(response: Response, *, has_body: bool = True) -> bytes:
    """Return the bytes of a response; without its body (for HEAD), Content-Length still states the body's size."""
    status = response.status
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    headers = dict(response.headers)
    headers["Connection"] = "close"
    headers["Content-Length"] = str(len(response.body))
    if response.body:
        headers["Content-Type"] = response.content_type
        headers["X-Content-Type-Options"] = "nosniff"
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head + response.body if has_body else head


def info_hash_of(text: str) -> str | None:
    """Return the info hash that a text from a URL or option stands for; None if it is not one.

    Accepted are 40 hexadecimal digits, or the 20 characters or bytes themselves, percent-encoded where necessary.
    """
    if len(text) == 40 and all(digit in "0123456789abcdefABCDEF" for digit in text):
        return bytes.fromhex(text).decode("latin-1")
    try:
        characters = unquote(text, errors="strict")
    except UnicodeDecodeError:
        characters = ""
    if is_id(characters):
        return characters
    plain = unquote_to_bytes(text).decode("latin-1")
    return plain if is_id(plain) else None
