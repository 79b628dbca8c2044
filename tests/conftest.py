"""What every test shares: how hard hypothesis tries."""

import os

from hypothesis import settings

# A machine that is busy with something else is no failure: no deadline in either profile.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=500, deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
