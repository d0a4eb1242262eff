"""The verifier as a witness of logs (C2SP tlog-witness): what it cosigned last, durably, and what it may cosign.

What was cosigned is on the disk before the cosignature leaves: after a crash the witness cosigns what continues that,
and nothing else.
"""
