"""Photos on disk to a manifest, and the manifest to splits; drawn faces for the demo."""
