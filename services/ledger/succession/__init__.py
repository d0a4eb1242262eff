"""How a log begins, what it continues, and how entries come back from whoever kept them.

A log is opened, inherited or recovered in one transaction each: after a crash it is as it was, or as it shall be.
"""
