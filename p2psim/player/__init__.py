"""Rules of the player, hls.js: where it starts, when it asks, stalls and reloads, which quality it chooses."""
