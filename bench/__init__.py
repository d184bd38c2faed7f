"""What trifacet costs beside what it replaces: measured in one run on the same photos. Never part of the package."""
