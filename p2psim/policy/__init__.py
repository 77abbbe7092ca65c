"""The viewer's decisions: p2p-media-loader 2.3's loader and hls.js's player as plain functions over plain arrays."""
