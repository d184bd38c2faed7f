"""Others that do the same work, as their users run them."""
