"""Runs the export on one machine without Azure: the Functions host's stand-in, Azurite, a simulated tenant."""
