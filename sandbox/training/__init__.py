"""Stand-ins for what can't be had without a GPU and the network: the trainer (emulated), and models of random weights."""
