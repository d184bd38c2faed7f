"""A folder of recipes that are trained one after another: what lies where, who works on what, and what comes of it."""
