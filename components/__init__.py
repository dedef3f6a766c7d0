"""What runs in AWS: one component a file, named by its role."""
