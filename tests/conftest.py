"""What holds for every test: invariants are swept, properties are repeatable, a hang fails."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# Before anything of sozutw is imported: modules read it once.
os.environ["SOZUTW_CHECK"] = "1"

# Fakes and the harness live in folders without __init__.py, which are packages all the same.
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

# No deadline: the machine is shared, and a slow minute is not a defect.
settings.register_profile("develop", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if IN_CI else "develop")

pytest_plugins = ["tests.own_coverage"]
