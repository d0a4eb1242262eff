"""Documents as they are sent, ours and others', alone or inside a PDF. Judges nothing by the log; keeps nothing."""
