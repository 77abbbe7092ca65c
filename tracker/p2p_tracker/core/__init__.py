"""The tracker without input or output: messages, swarms, matching, expiry of memberships."""
