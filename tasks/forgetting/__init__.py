"""Remove users and items from a home and its serving database, and prove that they are gone."""
