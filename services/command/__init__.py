"""The `credentify` command: one module per room. Speaks to the services over HTTP; starts them in `up`.

What a command does at a service is that service's to keep: after a crash the same command with the same key does
nothing twice. A file that it was writing may be cut off; what `up` started ends with it.
"""
