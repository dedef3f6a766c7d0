"""What `make` calls: the Pulumi CLI, the stack's day, the lint run, the set-up of a fresh machine."""
