"""Signs what is committed and publishes it: one process at a time. A checkpoint is kept before it is shown."""
