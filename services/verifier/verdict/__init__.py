"""The verdict and its words: what checks find and what follows from them. Pure; never fails open."""
