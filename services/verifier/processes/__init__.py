"""The processes of a verifier that has several: those that answer, and the one that starts them. Decides no verdict.

After a crash one that answers is started again, and its connections are lost; if the one that replays ends, all end,
and the whole is started again by whoever runs it.
"""
