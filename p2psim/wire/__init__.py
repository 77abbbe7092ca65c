"""Sans-IO codecs: messages of p2p-media-loader peers and of trackers, HLS playlists, swarm identities."""

from p2psim.wire.commands import (
    MAX_MESSAGE_SIZE,
    CancelSegmentRequest,
    Command,
    SegmentAbsent,
    SegmentData,
    SegmentDataSendingCompleted,
    SegmentRequest,
    SegmentsAnnouncement,
    decode,
    encode,
    is_command,
)
from p2psim.wire.errors import RemoteProtocolError
from p2psim.wire.hls import (
    ByteRange,
    MasterPlaylist,
    MediaPlaylist,
    MediaSegment,
    Variant,
    format_master_playlist,
    format_media_playlist,
)
from p2psim.wire.hls_parser import parse_playlist
from p2psim.wire.identity import Quality, info_hash, manifest_swarm_id, new_peer_id, stream_index, stream_swarm_id
from p2psim.wire.joiner import CommandJoiner
from p2psim.wire.segments import PlaylistItem, SegmentMap
from p2psim.wire.streams import Stream, streams_of

__all__ = [
    "MAX_MESSAGE_SIZE",
    "ByteRange",
    "CancelSegmentRequest",
    "Command",
    "CommandJoiner",
    "MasterPlaylist",
    "MediaPlaylist",
    "MediaSegment",
    "PlaylistItem",
    "Quality",
    "RemoteProtocolError",
    "SegmentAbsent",
    "SegmentData",
    "SegmentDataSendingCompleted",
    "SegmentMap",
    "SegmentRequest",
    "SegmentsAnnouncement",
    "Stream",
    "Variant",
    "decode",
    "encode",
    "format_master_playlist",
    "format_media_playlist",
    "info_hash",
    "is_command",
    "manifest_swarm_id",
    "new_peer_id",
    "parse_playlist",
    "stream_index",
    "stream_swarm_id",
    "streams_of",
]
