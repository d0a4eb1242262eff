"""Applications for recognition: evidence that is checked, decisions with reasons, appeals, precedents (DESIGN 11)."""
