"""The compiled data plane: kernel state, event loop, transfers, players and connections of all viewers."""
