"""Before any library is imported: threads that wait let the others work."""

import os

# Several workers share the cores (pytest-xdist), and OpenMP's threads would spin for work in small matrices.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
