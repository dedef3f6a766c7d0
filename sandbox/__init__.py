"""AWS on this machine: an emulator (moto) behind the real Pulumi engine."""
