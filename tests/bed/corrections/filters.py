"""EC2's filters by tag, for the calls in which moto ignores them."""

import fnmatch


def by_tag(resources: list, filters: dict[str, list[str]]) -> list:
    """Those that match every `tag:KEY` and `tag-key` filter; `*` and `?` are wildcards, other filters are not looked at."""
    return [r for r in resources if all(_matches(r, name, values) for name, values in filters.items())]


def _matches(resource, name: str, values: list[str]) -> bool:
    tags = {tag["key"]: tag["value"] for tag in resource.get_tags()}
    if name.startswith("tag:"):
        candidates = [tags[name[4:]]] if name[4:] in tags else []
    elif name == "tag-key":
        candidates = list(tags)
    else:
        return True
    return any(fnmatch.fnmatchcase(candidate, value) for candidate in candidates for value in values)
