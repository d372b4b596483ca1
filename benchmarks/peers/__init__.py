"""Our models beside the libraries that a user would pick instead, each in an environment of its own.

Everything a library sees is a folder with the training matrix and the users to list for, and everything it returns is a
file of lists, so that split, metrics and machine are the same for all: see `workers/contract.py`.
"""
