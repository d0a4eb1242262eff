"""Offline bundles: their form, what belongs into one, and what one proves. Pure; asks nobody."""
