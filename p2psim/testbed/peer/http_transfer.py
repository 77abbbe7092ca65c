"""HTTP transfer of a segment, with the loader's rules for status codes, byte ranges and truncated bodies."""

from collections.abc import Callable

from p2psim.policy.state import HTTP
from p2psim.testbed.peer.interfaces import Fetcher, Timer
from p2psim.testbed.transfer_owner import TransferOwner

__all__ = ["HttpTransfer"]


class HttpTransfer:
    """HTTP transfer of a segment from `first_byte` on, which fails when no bytes arrive before its timeout."""

    def __init__(self, loader: TransferOwner, segment: int, first_byte: int) -> None:
        self._loader = loader
        self._segment = segment
        self._first_byte = first_byte
        self._abort: Callable[[], None] | None = None
        self._done = False
        self._timer: Timer = loader.clock.call_later(loader.options.http_first_byte, self._timed_out)

    def begin(self, fetcher: Fetcher) -> None:
        """Send the request."""
        if not self._done:
            self._abort = fetcher(self._segment, self._first_byte, self)

    def cancel(self) -> None:
        """Abort the transfer, by a command of the policy."""
        if not self._done:
            self._finish()
            if self._abort is not None:
                self._abort()

    def headers(self, status: int, length: int | None, content_range: tuple[int, int] | None) -> bool:
        """Check status and headers of the response; return False to refuse its body (see `FetchEvents`)."""
        if self._done:
            return False
        error = self._error_of(status, length, content_range)
        if error is not None:
            self._fail(error)
            return False
        _, total = self._loader.core.progress(self._segment)
        if status == 200 and total == 0 and length is not None:
            self._loader.set_total(self._segment, length)
        self._restart_timer()
        return True

    def _error_of(self, status: int, length: int | None, content_range: tuple[int, int] | None) -> str | None:
        """Return the type of the error by which the loader refuses the response, if any."""
        received, total = self._loader.core.progress(self._segment)
        if not 200 <= status < 300:
            if status in (406, 416):
                self._loader.clear_bytes(self._segment)
                return "http-bytes-mismatch"
            return "http-error"
        if self._first_byte == 0:
            return None
        if status == 200:
            self._loader.clear_bytes(self._segment)
            return None
        if status != 206:
            return "http-unexpected-status-code"
        expected = total - received if total else None
        is_wrong_length = expected is not None and length is not None and length != expected
        if is_wrong_length or not self._fits(content_range, expected):
            self._loader.clear_bytes(self._segment)
            return "http-bytes-mismatch"
        return None

    def _fits(self, content_range: tuple[int, int] | None, expected: int | None) -> bool:
        if content_range is None:
            return True
        first, last = content_range
        return first == self._first_byte and (expected is None or last - first + 1 == expected)

    def chunk(self, data: bytes) -> None:
        """Handle a piece of the body."""
        if not self._done:
            self._restart_timer()
            self._loader.take_bytes(self._segment, data, HTTP, "")

    def finished(self) -> None:
        """Handle the end of the body."""
        if self._done:
            return
        received, total = self._loader.core.progress(self._segment)
        if total and received != total:
            self._fail("http-bytes-mismatch")
            return
        self._loader.validate(self._segment, HTTP, self._validated)

    def _validated(self, is_valid: bool) -> None:
        if self._done:
            return
        if is_valid:
            self._finish()
            self._loader.succeed(self._segment, HTTP, "")
        else:
            self._loader.clear_bytes(self._segment)
            self._fail("http-segment-validation-failed")

    def broken(self, reason: str) -> None:  # noqa: ARG002 - the loader knows one kind of HTTP error
        """Handle a failed request."""
        if not self._done:
            self._fail("http-error")

    def _timed_out(self) -> None:
        if self._done:
            return
        if self._abort is not None:
            self._abort()
        self._fail("bytes-receiving-timeout")

    def _fail(self, error: str) -> None:
        self._finish()
        self._loader.mark_failed(self._segment, HTTP, "")
        self._loader.report_failure(self._segment, HTTP, "", error)

    def _finish(self) -> None:
        self._done = True
        self._timer.cancel()

    def _restart_timer(self) -> None:
        self._timer.cancel()
        self._timer = self._loader.clock.call_later(self._loader.options.http_timeout, self._timed_out)
