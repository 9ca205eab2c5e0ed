"""What no export can be quicker than, each a program of its own that prints one line of JSON (clock.py)."""
