"""Sans-IO core of the tracker: messages, swarms, matching, expiry of memberships."""
