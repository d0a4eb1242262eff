"""The three services and what they share at their edges."""
