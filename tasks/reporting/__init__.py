"""The page of a night: what it shows, gathered from what the run kept, and how it is drawn."""
