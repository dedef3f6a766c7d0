"""What runs on the machines: static scripts, units, pinned versions, and the renderer of user data."""
