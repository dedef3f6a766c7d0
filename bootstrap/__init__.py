"""What is in the account before the first stack: a program of its own, brought up once by an administrator."""
