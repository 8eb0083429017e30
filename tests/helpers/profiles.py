"""How many examples the properties try: HYPOTHESIS_PROFILE is ``ci`` by default.

To be imported before the first property is made, for a property takes its settings from then.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow]  # a busy machine is no fault of a test

# The same examples each time, so that a failure is the fault of the change before it ...
settings.register_profile(
    "ci", max_examples=2_000, deadline=None, derandomize=True, suppress_health_check=_QUIET
)
# ... a few of them for each further Python ...
settings.register_profile("few", settings.get_profile("ci"), max_examples=200)
# ... and new ones each time, to look for what nobody has thought of.
settings.register_profile("deep", max_examples=100_000, deadline=None, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def one_in(divisor: int) -> settings:
    """Settings for a property whose examples cost ``divisor`` times as much as most."""
    return settings(max_examples=max(1, settings().max_examples // divisor))
