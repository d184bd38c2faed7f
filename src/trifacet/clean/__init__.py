"""What is wrong in a dataset: damaged and doubled photos, mistaken labels, and what people ruled about them."""
