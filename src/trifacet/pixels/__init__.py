"""Photos as pixels: decoded, scanned, cropped and sized for a network, and kept decoded on disk."""
