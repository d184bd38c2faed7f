"""Doors for browsers: pages that are served on this machine."""
