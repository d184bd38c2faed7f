"""Pages people read: one self-contained HTML page, plots that follow dark mode, sheets of photos. Tools, no rooms."""
