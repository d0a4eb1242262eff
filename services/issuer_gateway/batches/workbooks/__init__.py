"""Workbooks (XLSX): read by a program of its own, within bounds. Knows no column and no award."""
