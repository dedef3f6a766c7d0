"""What a stack declares, found without the engine and without AWS: the program run against pretended AWS."""
