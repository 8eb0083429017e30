"""The build backend: setuptools, after a look at what it would fail over less clearly."""

import os
import time

OLDEST_SETUPTOOLS = 61  # before, setup.cfg cannot name classes of this directory
LAST_YEAR = 2107  # that zip archives, such as wheels, can express


def check_setuptools() -> None:
    """Raise SystemExit unless there is a setuptools that can build this."""
    try:
        from setuptools import __version__ as found
    except ModuleNotFoundError as error:
        if error.name != "setuptools":
            raise
        raise SystemExit("building pyunshare takes setuptools, which is missing") from None
    if int(found.partition(".")[0]) < OLDEST_SETUPTOOLS:
        raise SystemExit(
            f"building pyunshare takes setuptools {OLDEST_SETUPTOOLS} or newer, and this is {found}"
        )


def check_source_date_epoch() -> None:
    """Raise SystemExit if SOURCE_DATE_EPOCH is no time; an empty one is none at all."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        os.environ.pop("SOURCE_DATE_EPOCH", None)
        return
    try:
        is_time = epoch.isdecimal() and time.gmtime(int(epoch)).tm_year <= LAST_YEAR
    except (ValueError, OverflowError, OSError):
        is_time = False
    if not is_time:
        raise SystemExit(
            f"SOURCE_DATE_EPOCH has to be a time in seconds since 1970, before {LAST_YEAR + 1}: "
            f"'{epoch}'"
        )


check_setuptools()
check_source_date_epoch()

from setuptools.build_meta import *  # noqa: E402, F403
