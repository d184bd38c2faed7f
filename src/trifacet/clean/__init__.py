"""What is wrong in a dataset: damaged and doubled photos, labels that look mistaken, and what people ruled about them."""
