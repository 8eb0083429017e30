"""To come."""

from __future__ import annotations

from tests.everywhere.environment import Environment

ENVIRONMENTS: list[Environment] = []
