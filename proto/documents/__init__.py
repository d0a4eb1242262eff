"""Credential documents and what they hold: the EU elements, Open Badges, W3C VC, status lists. Pure; signs nothing."""
