"""What flows between rooms: schema, manifest, predictions, run. Knows numpy, polars and pydantic, never torch."""
