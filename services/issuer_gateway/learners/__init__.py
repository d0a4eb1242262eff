"""Learners, as the institution names them."""
