"""Real aiortc viewers: player, loader, WebRTC connections and tracker client of one viewer."""
