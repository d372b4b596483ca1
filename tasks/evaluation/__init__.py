"""Judge fitted models on the holdout and choose the champion."""
