"""Tools that measure: numbers in, numbers out. They know no file, no schema and no model."""
