"""The verifier as a witness of logs (C2SP tlog-witness): what it cosigned last, durably, and what it may cosign."""
