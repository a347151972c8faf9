"""Load balancers and target groups (ELBv2)."""

import re
import types

from moto.elbv2 import models


def _match_allowing_hyphens(pattern, string, *flags):
    """API_CreateTargetGroup: a name may hold two hyphens in a row; moto's pattern forbids it."""
    return re.match(pattern.replace("(?!.*--)", ""), string, *flags)


models.re = types.SimpleNamespace(**{**vars(re), "match": _match_allowing_hyphens})
