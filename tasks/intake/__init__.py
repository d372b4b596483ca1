"""From an input folder to rows of text: which files there are, how one is read, and mending its quotes."""
