"""Turn the champion's scores into the lists that will be published."""
