"""Spot price history."""

import json
import os

from corrections import override
from moto.ec2.responses.spot_instances import SpotInstances


def _recorded_prices() -> dict[str, dict[str, str]]:
    """{type: {zone: price}} from the file that MOTO_SPOT_PRICES names."""
    path = os.environ.get("MOTO_SPOT_PRICES")
    if not path:
        return {}
    with open(path) as file:
        return json.load(file)


PRICES = _recorded_prices()


@override(SpotInstances)
def describe_spot_price_history(original, self):
    """API_DescribeSpotPriceHistory: the product of a Linux instance in a VPC is "Linux/UNIX"; moto says "Linux/UNIX (Amazon
    VPC)". Prices come from a file where one is named."""
    answer = original(self)
    for entry in answer.result["SpotPriceHistory"]:
        entry["ProductDescription"] = "Linux/UNIX"
        known = PRICES.get(entry["InstanceType"], {})
        entry["SpotPrice"] = known.get(entry["AvailabilityZone"], entry["SpotPrice"])
    return answer
