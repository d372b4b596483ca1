"""Our claims about accuracy, speed and odd input, as commands that anyone can run."""
