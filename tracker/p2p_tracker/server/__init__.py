"""The server around the core: sockets, WebSocket and HTTP."""
