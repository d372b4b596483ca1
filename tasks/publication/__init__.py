"""Write lists to the serving database, switch readers to them, and look after them."""
