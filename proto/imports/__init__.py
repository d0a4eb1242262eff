"""Documents of other systems, read into an achievement and an award. Pure; verifies no signature of theirs."""
