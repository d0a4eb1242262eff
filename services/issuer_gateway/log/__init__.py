"""The gateway and the log: what is carried to it, what is followed of it, who waits for it.

After a crash what was sent and not answered is sent again, byte for byte the same; what was followed moves with its
position in one transaction. Who waited for an event asks for it again.
"""
