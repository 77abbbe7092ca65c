"""Server around the core: sockets, WebSocket and HTTP."""
