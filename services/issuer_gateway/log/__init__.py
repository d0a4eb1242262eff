"""The gateway and the log: what is carried to it, what is followed of it, who waits for it."""
