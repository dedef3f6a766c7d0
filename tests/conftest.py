"""For all tests alike."""

import signal

# A shell that runs the tests in its background has them ignore Ctrl-C, and with them all that they start: the tests that
# send it would wait in vain.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
