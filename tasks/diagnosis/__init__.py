"""Examines whether a night could run here: machine, home, serving database; each finding says what to do."""
