"""Other ways to the same file, each a program of its own that prints one line of JSON (clock.py)."""
