"""Documents as they are sent, ours and others', alone or inside a PDF. Judges nothing by the log; keeps nothing.

A crash of the program that reads a PDF costs that document its answer.
"""
