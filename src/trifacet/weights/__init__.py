"""Converted network weights that travel in the package; `weights.json` gives each file's sha256, source and licence."""
