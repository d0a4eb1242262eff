"""Documents of other systems, read into an achievement and an award. Verifies no signature of theirs."""
