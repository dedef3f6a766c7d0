"""The emulated EC2's machines: what runs on this machine in their place."""
