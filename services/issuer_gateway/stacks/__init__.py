"""What can be stacked, and what is missing: advice and previews, which sign nothing."""
