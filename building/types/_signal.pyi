# The C half of the signal module, of which typeshed knows nothing
from signal import *  # noqa: F403
