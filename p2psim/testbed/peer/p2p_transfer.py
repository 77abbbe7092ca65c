"""P2P transfers between two viewers over one data channel, by the protocol of p2p-media-loader 2.3.

There is at most one download and one upload at a time. A download goes from SegmentRequest over SegmentData and the
bytes to SegmentDataSendingCompleted. A protocol violation of the peer ends the connection, but never the viewer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from p2psim.policy.state import P2P
from p2psim.testbed.peer.interfaces import Channel, Observer, Timer
from p2psim.testbed.transfer_owner import TransferOwner
from p2psim.wire import (
    CancelSegmentRequest,
    Command,
    CommandJoiner,
    RemoteProtocolError,
    SegmentAbsent,
    SegmentData,
    SegmentDataSendingCompleted,
    SegmentRequest,
    SegmentsAnnouncement,
    decode,
    encode,
    is_command,
)

__all__ = ["P2PTransfers", "P2PTransfersOwner"]

_REQUEST_IDS = 1000
"""Number of request ids, after which they repeat."""


class P2PTransfersOwner(TransferOwner, Protocol):
    """Loader as the transfers with a peer see it: its stored segments and its rules for answers."""

    @property
    def observer(self) -> Observer:
        """Observer of uploads."""

    @property
    def storage(self) -> Mapping[int, bytes]:
        """Stored segments by their ids."""

    @property
    def uploads(self) -> bool:
        """True if peers get segments."""

    @property
    def answers_unknown(self) -> bool:
        """True if requests that cannot be served are refused; upstream does not respond."""

    @property
    def upstream_faults(self) -> bool:
        """True if announcements are read and written with the fault of 2.3."""

    @property
    def max_message_size(self) -> int:
        """Longest message, bytes."""

    def request_pass(self) -> None:
        """Schedule a queue pass."""

    def served(self, segment: int) -> bytes | None:
        """Return the bytes to send of a stored segment; None: the peer gets no response."""

    def count_unusable(self, peer: str, count: int) -> None:
        """Count segment bytes that belong to no download."""

    def forget_peer(self, transfers: "P2PTransfers") -> None:
        """Forget a peer, whose transfers have ended."""


@dataclass(slots=True)
class _Download:
    segment: int
    request: int
    timer: Timer
    header_seen: bool = False


@dataclass(slots=True)
class _Upload:
    segment: int
    request: int
    data: bytes
    sent: int = 0


class P2PTransfers:
    """Transfers with one peer over its data channel: at most one download and one upload at a time."""

    def __init__(self, loader: P2PTransfersOwner, channel: Channel) -> None:
        self.peer = channel.peer
        self._loader = loader
        self._channel = channel
        self._joiner = CommandJoiner()
        self._download: _Download | None = None
        self._upload: _Upload | None = None
        self._request_count = 0
        self._request_id = 0
        self._closed = False

    # -- sending ------------------------------------------------------------------------------------------------

    def send_command(self, command: Command) -> None:
        """Send a command."""
        if self._closed:
            return
        faults = self._loader.upstream_faults
        for message in encode(command, self._loader.max_message_size, upstream_faults=faults):
            self._channel.send(message)

    def request(self, segment: int, first_byte: int) -> None:
        """Request a segment from `first_byte` on."""
        self._request_id = (self._request_id + 1) % _REQUEST_IDS
        timer = self._loader.clock.call_later(self._loader.options.p2p_timeout, self._timed_out)
        self._download = _Download(segment, self._request_id, timer)
        self.send_command(SegmentRequest(segment, self._request_id, first_byte))

    def cancel(self) -> None:
        """Cancel the download, by a command of the policy."""
        download = self._end_download()
        if download is not None:
            self.send_command(CancelSegmentRequest(download.segment, download.request))

    # -- receiving ----------------------------------------------------------------------------------------------

    def receive(self, message: bytes) -> None:
        """Handle a message from the channel."""
        if self._closed:
            return
        if not is_command(message):
            self._take_bytes(message)
            return
        try:
            payload = self._joiner.push(message)
            if payload is not None:
                self._handle_command(decode(payload, upstream_faults=self._loader.upstream_faults))
        except RemoteProtocolError:
            return  # upstream ignores malformed commands

    def _handle_command(self, command: Command) -> None:
        match command:
            case SegmentsAnnouncement():
                self._loader.core.announced(self.peer, command.stored, command.loading)
                self._loader.request_pass()
            case SegmentRequest():
                self._serve(command)
            case SegmentData():
                self._begin_body(command)
            case SegmentDataSendingCompleted():
                self._complete(command)
            case SegmentAbsent():
                self._handle_absent(command)
            case CancelSegmentRequest():
                if self._upload is not None and self._upload.request == command.request:
                    self._stop_upload()

    def _begin_body(self, command: SegmentData) -> None:
        download = self._download
        if download is None or download.header_seen:
            return
        if (download.segment, download.request) != (command.segment, command.request):
            return
        download.header_seen = True
        self._restart_timer(download)
        received, total = self._loader.core.progress(download.segment)
        if total == 0:
            self._loader.set_total(download.segment, command.size)
        elif total - received != command.size:
            self._loader.clear_bytes(download.segment)
            self.send_command(CancelSegmentRequest(download.segment, download.request))
            self._end_after_violation("peer-response-bytes-length-mismatch")

    def _take_bytes(self, data: bytes) -> None:
        download = self._download
        if download is None or not download.header_seen:
            self._loader.count_unusable(self.peer, len(data))
            return
        received, total = self._loader.core.progress(download.segment)
        if total and received + len(data) > total:
            self._loader.count_unusable(self.peer, len(data))
            self._loader.clear_bytes(download.segment)
            self._end_after_violation("peer-response-bytes-length-mismatch")
            return
        self._restart_timer(download)
        self._loader.take_bytes(download.segment, data, P2P, self.peer)

    def _complete(self, command: SegmentDataSendingCompleted) -> None:
        download = self._download
        if download is None or not download.header_seen:
            return
        if (download.segment, download.request) != (command.segment, command.request):
            self._loader.clear_bytes(download.segment)
            self._end_after_violation("peer-protocol-violation")
            return
        received, total = self._loader.core.progress(download.segment)
        if received != total:
            self._loader.clear_bytes(download.segment)
            self._end_after_violation("peer-response-bytes-length-mismatch")
        else:
            self._loader.validate(download.segment, P2P, lambda is_valid: self._validated(download, is_valid))

    def _validated(self, download: _Download, is_valid: bool) -> None:
        if self._download is not download:
            return  # the download ended while its segment was validated
        if is_valid:
            self._end_download()
            self._loader.succeed(download.segment, P2P, self.peer)
        else:
            self._loader.clear_bytes(download.segment)
            self._end_after_violation("p2p-segment-validation-failed")

    def _handle_absent(self, command: SegmentAbsent) -> None:
        download = self._download
        if download is None or (download.segment, download.request) != (command.segment, command.request):
            return
        self._fail("peer-segment-absent")
        self._loader.core.lacks(self.peer, command.segment)

    # -- serving ------------------------------------------------------------------------------------------------

    def _serve(self, command: SegmentRequest) -> None:
        self._stop_upload()
        self._request_count += 1
        if not self._loader.core.listed(command.segment):
            if self._loader.answers_unknown:
                self.send_command(SegmentAbsent(command.segment, command.request))
            return
        if not self._loader.uploads:
            self.send_command(SegmentAbsent(command.segment, command.request))
            return
        self._loader.clock.call_soon(self._begin_upload, command, self._request_count)

    def _begin_upload(self, command: SegmentRequest, request_number: int) -> None:
        if self._closed or request_number != self._request_count:
            return
        if command.segment not in self._loader.storage:
            self.send_command(SegmentAbsent(command.segment, command.request))
            return
        data = self._loader.served(command.segment)
        if data is None:
            return
        missing = data[command.first_byte :]
        if not missing and self._loader.answers_unknown:
            self.send_command(
                SegmentAbsent(command.segment, command.request)
            )  # later versions reject an empty response
            return
        self._upload = _Upload(command.segment, command.request, missing)
        self.send_command(SegmentData(command.segment, command.request, len(missing)))
        self.drained()

    def drained(self) -> None:
        """Continue the upload until the channel is full."""
        upload = self._upload
        if upload is None or self._closed:
            return
        size = self._loader.max_message_size
        while upload.sent < len(upload.data):
            piece = upload.data[upload.sent : upload.sent + size]
            upload.sent += len(piece)
            has_room = self._channel.send(piece)
            self._loader.observer.bytes_sent(upload.segment, self.peer, len(piece))
            if not has_room and upload.sent < len(upload.data):
                return
        self._loader.clock.call_soon(self._finish_upload, upload)

    def _finish_upload(self, upload: _Upload) -> None:
        if self._upload is not upload or self._closed:
            return
        self._upload = None
        self.send_command(SegmentDataSendingCompleted(upload.segment, upload.request))
        self._loader.observer.upload_ended(upload.segment, self.peer, True)

    def _stop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            self._loader.observer.upload_ended(upload.segment, self.peer, False)

    # -- ends ---------------------------------------------------------------------------------------------------

    def _restart_timer(self, download: _Download) -> None:
        download.timer.cancel()
        download.timer = self._loader.clock.call_later(self._loader.options.p2p_timeout, self._timed_out)

    def _end_download(self) -> _Download | None:
        download, self._download = self._download, None
        if download is not None:
            download.timer.cancel()
        return download

    def _timed_out(self) -> None:
        download = self._end_download()
        if download is None:
            return
        self.send_command(CancelSegmentRequest(download.segment, download.request))
        if self._loader.mark_failed(download.segment, P2P, self.peer, timed_out=True):
            self.close()
        self._loader.report_failure(download.segment, P2P, self.peer, "bytes-receiving-timeout")

    def _fail(self, error: str) -> None:
        download = self._end_download()
        if download is not None:
            self._loader.mark_failed(download.segment, P2P, self.peer)
            self._loader.report_failure(download.segment, P2P, self.peer, error)

    def _end_after_violation(self, error: str) -> None:
        self._fail(error)
        self.close()

    def close(self) -> None:
        """End the transfers and close the channel; also called when the peer has closed it."""
        if self._closed:
            return
        self._fail("peer-closed")
        self._closed = True
        self._stop_upload()
        self._channel.close()
        self._loader.forget_peer(self)
