"""One transaction for what belongs together: event, document, answer. After a crash all of it is there or none."""
