"""Progress events and memory figures of a running night."""
