"""Publication: load lists into the serving database, switch readers to them, verify and remove them."""
