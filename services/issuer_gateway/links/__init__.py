"""Links by which learners reach what they hold, and show it: claims used once, own pages, shares. Speaks no SQL."""
