"""What we claim about accuracy and speed, as commands that anyone can run."""
