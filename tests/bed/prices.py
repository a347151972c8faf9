"""Synthetic prices, the same on every run: moto has one constant spot price and no price list.

The numbers are invented (plausible in size and order) and must never be quoted as AWS's. About 1 % of the types have no
on-demand price and 3 % of the pools no spot price, because AWS's lists have such holes too.
"""

import gzip
import hashlib
import importlib.util
import json
import os
from functools import cache

RESOURCES = os.path.join(os.path.dirname(importlib.util.find_spec("moto").origin), "ec2", "resources")
# When spot prices changed, oldest first.
CHANGES = ["2026-01-05T03:10:00.000Z", "2026-02-11T17:42:00.000Z", "2026-03-21T09:00:00.000Z"]
WITHOUT_ON_DEMAND, WITHOUT_SPOT = 0.01, 0.03
PER_VCPU, PER_GIB, PER_GPU, PER_GPU_GIB, PER_DISK_GB = 0.0357, 0.00342, 0.35, 0.012, 0.00007


@cache
def instance_types() -> dict[str, dict]:
    """moto's copy of AWS's instance types, by name."""
    with gzip.open(f"{RESOURCES}/instance_types.json.gz") as file:
        return json.load(file)


@cache
def offerings(kind: str, region: str) -> list[tuple[str, str]]:
    """(type, location) for kind `region` or `availability-zone`."""
    path = f"{RESOURCES}/instance_type_offerings/{kind}/{region}.json.gz"
    if not os.path.exists(path):
        return []
    with gzip.open(path) as file:
        return [(offer["InstanceType"], offer["Location"]) for offer in json.load(file)]


def _fraction(*names: str) -> float:
    """A number in [0, 1) that is always the same for these names."""
    return int.from_bytes(hashlib.sha256("|".join(names).encode()).digest()[:6], "big") / 2**48


def on_demand(name: str, region: str) -> float | None:
    """USD per hour, or None for a type without a price."""
    facts = instance_types()[name]
    if _fraction("noprice", name, region) < WITHOUT_ON_DEMAND:
        return None
    gpus = facts.get("GpuInfo") or {}
    price = PER_VCPU * facts["VCpuInfo"]["DefaultVCpus"] + PER_GIB * facts["MemoryInfo"]["SizeInMiB"] / 1024
    price *= {"AWS": 0.80, "AMD": 0.90}.get(facts["ProcessorInfo"].get("Manufacturer", ""), 1.0)
    price *= 0.85 if facts["BurstablePerformanceSupported"] else 1.0
    price += sum(PER_GPU * max(gpu["Count"], 0.25) for gpu in gpus.get("Gpus", []))
    price += PER_GPU_GIB * gpus.get("TotalGpuMemoryInMiB", 0) / 1024
    price += PER_DISK_GB * (facts.get("InstanceStorageInfo") or {}).get("TotalSizeInGB", 0)
    price *= 0.97 + 0.06 * _fraction("fam", name.split(".")[0]) + 0.25 * _fraction("reg", region)
    return round(price, 4)


def spot_series(name: str, zone: str, region: str) -> list[tuple[str, float]]:
    """(since, USD per hour), newest first; empty for a pool without a price."""
    if "spot" not in instance_types()[name]["SupportedUsageClasses"] or _fraction("nospot", name, zone) < WITHOUT_SPOT:
        return []
    usual = (on_demand(name, region) or 0.05) * (0.22 + 0.45 * _fraction("disc", name, region))
    numbered = reversed(list(enumerate(CHANGES)))
    return [(since, round(usual * (0.85 + 0.3 * _fraction("az", name, zone, str(n))), 6)) for n, since in numbered]


def spot_price_history(form: dict[str, str], region: str) -> str:
    """API_DescribeSpotPriceHistory's answer, unpaged: with the price in force at StartTime, as AWS includes it."""
    types = {value for key, value in form.items() if key.startswith("InstanceType.")}
    zones = {form["AvailabilityZone"]} if "AvailabilityZone" in form else set()
    for key, name in form.items():
        if key.startswith("Filter.") and key.endswith(".Name"):
            values = {v for k, v in form.items() if k.startswith(key.removesuffix("Name") + "Value.")}
            types |= values if name == "instance-type" else set()
            zones |= values if name == "availability-zone" else set()
    start, end = form.get("StartTime"), form.get("EndTime") or "9999"
    items = []
    for name, zone in offerings("availability-zone", region):
        if (types and name not in types) or (zones and zone not in zones):
            continue
        for since, price in spot_series(name, zone, region):
            if since <= end:
                items.append(_spot_item(name, zone, since, price))
            if start and since <= start:
                break
    head = '<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>bed</requestId>'
    return f"{head}<spotPriceHistorySet>{''.join(items)}</spotPriceHistorySet></DescribeSpotPriceHistoryResponse>"


def _spot_item(name: str, zone: str, since: str, price: float) -> str:
    return (
        f"<item><instanceType>{name}</instanceType><productDescription>Linux/UNIX</productDescription>"
        f"<spotPrice>{price:.6f}</spotPrice><timestamp>{since}</timestamp><availabilityZone>{zone}</availabilityZone></item>"
    )


def products(question: dict) -> list[str]:
    """Pricing GetProducts' price list for EC2 instances: JSON texts, as AWS answers them."""
    filters = {f["Field"]: f["Value"] for f in question.get("Filters", [])}
    region = filters.get("regionCode", "us-east-1")
    # ANY_OF takes names with commas between, TERM_MATCH one name.
    wanted = filters["instanceType"].split(",") if "instanceType" in filters else None
    names = [name for name, _ in offerings("region", region) if wanted is None or name in wanted]
    priced = [(name, on_demand(name, region)) for name in names]
    return [json.dumps(_product(name, region, price)) for name, price in priced if price is not None]


def _product(name: str, region: str, price: float) -> dict:
    sku = hashlib.md5((name + region).encode()).hexdigest()[:16].upper()
    offer, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    attributes = {
        "instanceType": name,
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "preInstalledSw": "NA",
        "servicecode": "AmazonEC2",
    }
    dimension = {
        "unit": "Hrs",
        "beginRange": "0",
        "endRange": "Inf",
        "appliesTo": [],
        "description": "synthetic",
        "rateCode": rate,
        "pricePerUnit": {"USD": f"{price:.10f}"},
    }
    term = {
        "sku": sku,
        "offerTermCode": "JRTCKXETXF",
        "effectiveDate": "2026-03-01T00:00:00Z",
        "termAttributes": {},
        "priceDimensions": {rate: dimension},
    }
    return {
        "product": {"productFamily": "Compute Instance", "sku": sku, "attributes": attributes},
        "serviceCode": "AmazonEC2",
        "version": "synthetic",
        "publicationDate": "2026-03-01T00:00:00Z",
        "terms": {"OnDemand": {offer: term}},
    }
