"""Workbooks (XLSX): read by a program of its own, within bounds. Knows no column and no award.

The program keeps nothing: if it ends by a crash, or takes too much, the list is refused, and nothing of it
has happened.
"""
