"""How a log begins, what it continues, and how entries come back from whoever kept them."""
