"""Signs what is committed and publishes it: one process at a time. A checkpoint is kept before it is shown.

After a crash the same checkpoint is signed again, never another of its size: the signer's memory is on the disk before
the signature is anywhere.
"""
