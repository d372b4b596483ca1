"""Serving databases: one interface (`base.Target`) and one module per kind of database."""
