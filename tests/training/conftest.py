"""What needs torch is in `inside/`, and runs with the training environment's Python (test_inside.py)."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["inside"]
