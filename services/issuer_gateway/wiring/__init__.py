"""Puts parts and commands of a gateway together, once; what a command may touch is read here. Starts nothing.

A crash while it puts things together has done nothing.
"""
