"""Tell somebody how nights end: what a message says, and how it is sent."""
