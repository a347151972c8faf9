"""Pages as AWS cuts them."""


def page(response, items: list, most: int) -> tuple[list, str | None]:
    """The page that MaxResults and NextToken of a request ask for, of at most `most` items, and the next page's token."""
    size = min(response._get_int_param("MaxResults", most), most)
    start = int(response._get_param("NextToken") or 0)
    end = start + size
    return items[start:end], str(end) if end < len(items) else None
