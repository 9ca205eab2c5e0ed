"""Programs that show how quick an export can be at best. Each that prints one line of JSON (clock.py)."""
