"""Hypothesis profiles: the same examples every time, or, with HYPOTHESIS_PROFILE=long, many others.

No deadline, as a loaded machine is no failure.
"""

import os

from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("long", deadline=None, max_examples=5000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
