"""Export: a fitted model as files with which another program scores users, without this project."""
