"""From the champion's scores to the lists that will be published."""
