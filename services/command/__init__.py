"""The `credentify` command: one module per room. Speaks to the services over HTTP; starts them in `up`."""
