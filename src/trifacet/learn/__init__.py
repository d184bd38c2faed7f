"""Training and what comes of it: the only room that imports torch."""
