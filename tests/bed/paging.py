"""A proxy that answers lists in pages, as AWS does and moto mostly does not, and knows prices and regional types.

    paging.py --upstream http://127.0.0.1:PORT [--port 0] [--lifeline] [--page-size N] [--regional] [--prices]

Every call that AWS pages is paged, by AWS's own service descriptions (botocore's paginators): EC2's answers are cut here, the
other services are asked for pages of that size. Without --page-size the pages have AWS's own sizes. A token belongs to its
question: one sent with other parameters is refused, so a client that forgets its filter on the second page is found out.

--regional  DescribeInstanceTypes answers the types that the region offers, as AWS does (moto: the same 1395 everywhere)
--prices    DescribeSpotPriceHistory and Pricing GetProducts answer synthetic, repeatable prices (see prices.py)

`GET /_bed/requests?account=` answers what was asked here (the emulator sees a list once, however many its pages are), and
`POST /_bed/latency?ms=` sets what every answer waits.
"""

import dataclasses
import hashlib
import json
import re
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from functools import cache

import lifeline
import prices
import proxy
import wire

# Documented page sizes where a size is not asked for; other EC2 lists come whole up to a thousand.
AWS_PAGE = {"DescribeInstanceTypes": 100, "GetProducts": 100}
AWS_PAGE_ELSE = 1000
# Other services: the parameter that asks for a page's size, by service as signed.
SIZE_PARAMETER = {"autoscaling": "MaxRecords", "elasticloadbalancing": "PageSize", "iam": "MaxItems"}
SIZE_IN_QUERY = {"route53": "maxitems", "s3": "max-keys"}
SIZE_IN_JSON = {"events": "Limit"}
EC2_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"

OPTIONS = None


@cache
def paged_ec2_actions() -> set[str]:
    """The EC2 calls that AWS answers in pages."""
    import botocore.session

    return set(botocore.session.get_session().get_component("data_loader").load_service_model("ec2", "paginators-1")["pagination"])


class Questions:
    """Answers whose pages are still being fetched: question -> items, so that a list is asked for and parsed once."""

    KEPT = 32

    def __init__(self):
        self.lock = threading.Lock()
        self.lists: dict[str, tuple] = {}

    def remember(self, key: str, answer: tuple) -> None:
        with self.lock:
            while len(self.lists) >= self.KEPT:
                self.lists.pop(next(iter(self.lists)))
            self.lists[key] = answer

    def get(self, key: str):
        with self.lock:
            return self.lists.get(key)


QUESTIONS = Questions()


def page_size(action: str, asked: str | None) -> int:
    """How many items a page has: what was asked, but no more than the service gives."""
    most = OPTIONS.page_size or AWS_PAGE.get(action, AWS_PAGE_ELSE)
    return min(most, int(asked)) if asked else most


def key_of(call: wire.Call, parameters: dict) -> str:
    """Names a question: everything but the paging parameters."""
    asked = sorted((k, str(v)) for k, v in parameters.items() if k not in ("NextToken", "MaxResults"))
    return hashlib.sha256(repr((call, asked)).encode()).hexdigest()[:16]


def cut(items: list, size: int, key: str, token: str | None) -> tuple[list, str | None] | None:
    """The page that a token asks for and the next token; None if the token belongs to another question."""
    start = 0
    if token:
        of_question, _, offset = token.partition(".")
        if of_question != key:
            return None
        start = int(offset)
    end = start + size
    return items[start:end], f"{key}.{end}" if end < len(items) else None


class PagingProxy(proxy.Proxy):
    """Passes requests on and cuts the answers."""

    latency = 0.0
    requests: list[dict] = []

    def administer(self, body):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        match self.command, url.path:
            case "GET", "/_bed/requests":
                of_account = [r for r in self.requests if query.get("account") in (None, r["account"])]
                return proxy.Answer(200, {"Content-Type": "application/json"}, json.dumps(of_account).encode())
            case "POST", "/_bed/latency":
                PagingProxy.latency = float(query["ms"]) / 1e3
                return proxy.Answer(200, {"Content-Type": "application/json"}, b"{}")
        return None

    def answer(self, call, body):
        time.sleep(self.latency)
        answer = self.answer_call(call, body)
        self.requests.append({**dataclasses.asdict(call), "status": answer.status})
        return answer

    def answer_call(self, call, body):
        if call.service == "ec2":
            return self.ec2(call, body)
        if call.service == "pricing" and call.action == "GetProducts" and OPTIONS.prices:
            return self.products(call, json.loads(body))
        if OPTIONS.page_size:
            path, body = self._ask_for_pages(call, body)
            return self.forward(body, path)
        return self.forward(body)

    def ec2(self, call, body):
        form = wire.form_of(body)
        if call.action not in paged_ec2_actions():
            return self.forward(body)
        key, token = key_of(call, form), form.pop("NextToken", None)
        asked = form.pop("MaxResults", None)
        if token and not QUESTIONS.get(key):
            return self._refuse(call, token)
        if not token:
            answer = self._whole_list(call, form)
            if answer.status != 200:
                return answer
            QUESTIONS.remember(key, _parse(answer.body, call))
        root, container, items = QUESTIONS.get(key)
        page = cut(items, page_size(call.action, asked), key, token)
        if page is None:
            return self._refuse(call, token)
        return proxy.Answer(200, {"Content-Type": "text/xml"}, _print(root, container, *page))

    def _whole_list(self, call, form) -> proxy.Answer:
        if OPTIONS.prices and call.action == "DescribeSpotPriceHistory":
            return proxy.Answer(200, {}, prices.spot_price_history(form, call.region).encode())
        if call.action.startswith("DescribeLaunchTemplate"):
            form = {**form, "MaxResults": "200"}
        return self.forward(urllib.parse.urlencode(form).encode())

    def _refuse(self, call, token) -> proxy.Answer:
        data, headers = wire.error_body(call, "InvalidParameterValue", f"Invalid value '{token}' for NextToken.")
        return proxy.Answer(400, headers, data)

    def products(self, call, question):
        key = key_of(call, question)
        page = cut(prices.products(question), page_size("GetProducts", question.get("MaxResults")), key, question.get("NextToken"))
        if page is None:
            return self._refuse(call, question["NextToken"])
        items, token = page
        answer = {"FormatVersion": "aws_v1", "PriceList": items, **({"NextToken": token} if token else {})}
        return proxy.Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode())

    def _ask_for_pages(self, call, body) -> tuple[str, bytes]:
        """The request with the page's size in it, where the service knows pages."""
        size = str(OPTIONS.page_size)
        if not call.reads:
            return self.path, body
        if (name := SIZE_PARAMETER.get(call.service)) and call.action.startswith(("Describe", "List")):
            return self.path, urllib.parse.urlencode({**wire.form_of(body), name: size}).encode()
        if (name := SIZE_IN_JSON.get(call.service)) and call.action.startswith("List"):
            return self.path, json.dumps({**json.loads(body or b"{}"), name: OPTIONS.page_size}).encode()
        name = SIZE_IN_QUERY.get(call.service)
        lists = call.action.startswith("GET /bucket?") and ("list-type" in call.action or "versions" in call.action)
        if name and (lists or call.service == "route53"):
            return self.path + ("&" if "?" in self.path else "?") + f"{name}={size}", body
        return self.path, body


def _parse(body: bytes, call) -> tuple:
    """An EC2 answer as (root, the element that holds the list, its items)."""
    # moto writes two spellings of the namespace: names are compared without it
    root = ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body, count=1))
    container = next((e for e in root if e.tag.endswith("Set") or len(e)), None)
    items = list(container) if container is not None else []
    if call.action == "DescribeInstanceTypes" and OPTIONS.regional:
        offered = {name for name, _ in prices.offerings("region", call.region)}
        items = [i for i in items if i.findtext("instanceType") in offered]
    return root, container, items


def _print(root, container, items, token) -> bytes:
    answer = ElementTree.Element(root.tag, xmlns=EC2_NAMESPACE)
    for element in root:
        if element.tag == "nextToken":
            continue
        if element is container:
            page = ElementTree.SubElement(answer, element.tag)
            page.extend(items)
        else:
            answer.append(element)
    if token:
        ElementTree.SubElement(answer, "nextToken").text = token
    return ElementTree.tostring(answer)


def main() -> None:
    global OPTIONS
    parser = lifeline.arguments("a proxy that answers lists in pages")
    parser.add_argument("--upstream", required=True, help="the emulator's address")
    parser.add_argument("--page-size", type=int, help="items per page, for every list; without it AWS's own sizes")
    parser.add_argument("--regional", action="store_true", help="instance types differ between regions")
    parser.add_argument("--prices", action="store_true", help="answer synthetic prices")
    OPTIONS = parser.parse_args()
    proxy.serve(PagingProxy, OPTIONS)


if __name__ == "__main__":
    main()
