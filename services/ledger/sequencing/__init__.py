"""From an envelope to a committed entry. Before COMMIT nothing has happened; after it everything has."""
