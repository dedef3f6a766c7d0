"""Commands for the day: `python -m ops --help`. boto3 only; the same on AWS and on the sandbox."""
