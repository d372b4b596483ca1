"""One parallel kernel at a time: what every launch of a kernel with `parallel=True` is wrapped in.

Where neither OpenMP nor TBB is installed, numba falls back on a layer of threads of its own (`workqueue`) that ends
the whole process when two threads launch kernels at once, as models fitted side by side do. A kernel occupies all
cores anyway, so that waiting for the other costs nothing.
"""

from __future__ import annotations

from threading import Lock

one_launch = Lock()
