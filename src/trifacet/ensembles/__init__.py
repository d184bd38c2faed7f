"""Ensembles: what several runs say of the same photos, put together, and how much each of them should have to say."""
