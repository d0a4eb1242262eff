"""The log's own formats: entries, tree, tiles, notes, checkpoints, receipts, witnesses (RFC 6962, C2SP). Pure bytes."""
