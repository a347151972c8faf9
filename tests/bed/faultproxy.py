"""A proxy that makes AWS fail: throttling, slowness, cut connections, lost answers, stale reads.

    faultproxy.py --upstream http://127.0.0.1:PORT [--port 0] [--lifeline] [--seed N]

`POST /_fault/rules` sets the rules, a JSON list; the first that applies to a request is used:

    {"service": "ec2", "action": "CreateVpc", "nth": [1, 2], "times": 3, "p": 0.5, "do": "error",
     "code": "RequestLimitExceeded", "status": 503, "message": "..."}

  service, action   regular expressions for the whole name; left out, they match everything
  body              regular expression searched in the body
  writes            true: only requests that change something; false: only reads
  nth               which of the matching requests, from 1; left out: each
  times, p          how often at most; with what probability
  do                error        answers `code` with `status` in the service's own format
                    delay        waits `ms`, then passes the request on
                    drop_before  closes the connection without passing it on
                    drop_after   passes it on, then closes the connection without an answer
                    stale        answers a read as it was before the last write, for `ms` after that write
                    truncate     answers half of the body and closes the connection
                    hold         passes nothing on and never answers
                    hold_after   passes it on and never answers

`GET /_fault/log` gives every request in order as {service, action, account, injected, status}; `DELETE` empties it.
"""

import json
import random
import re
import threading
import time

import lifeline
import proxy
import wire

WHEN_UNSET = 10**9


class Rules:
    """The rules with how often each has matched and been used."""

    def __init__(self, seed: int | None):
        self.lock = threading.Lock()
        self.rules: list[dict] = []
        self.random = random.Random(seed)

    def set(self, rules: list[dict]) -> None:
        with self.lock:
            self.rules = [{**rule, "seen": 0, "used": 0} for rule in rules]

    def first_for(self, call: wire.Call, body: bytes) -> dict | None:
        with self.lock:
            for rule in self.rules:
                if not _matches(rule, call, body):
                    continue
                rule["seen"] += 1
                due = "nth" not in rule or rule["seen"] in rule["nth"]
                if due and rule["used"] < rule.get("times", WHEN_UNSET) and self.random.random() < rule.get("p", 1.0):
                    rule["used"] += 1
                    return rule
        return None


def _matches(rule: dict, call: wire.Call, body: bytes) -> bool:
    return (
        re.fullmatch(rule.get("service", ".*"), call.service) is not None
        and re.fullmatch(rule.get("action", ".*"), call.action) is not None
        and ("body" not in rule or re.search(rule["body"], body.decode("utf8", "replace")) is not None)
        and ("writes" not in rule or rule["writes"] != call.reads)
    )


class Memory:
    """The last answer to each question before the last write, for stale reads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answers: dict[tuple, proxy.Answer] = {}
        self.before: dict[tuple, proxy.Answer] = {}
        self.written: dict[tuple, float] = {}

    def note(self, call: wire.Call, question: tuple, answer: proxy.Answer) -> None:
        scope = (call.account, call.service)
        with self.lock:
            if call.reads:
                self.answers[question] = answer
            else:
                self.before = dict(self.answers)
                self.written[scope] = time.monotonic()

    def stale(self, call: wire.Call, question: tuple, seconds: float) -> proxy.Answer | None:
        with self.lock:
            written = self.written.get((call.account, call.service))
            fresh_write = written is not None and time.monotonic() - written < seconds
            return self.before.get(question) if fresh_write and call.reads else None


RULES: Rules
MEMORY = Memory()
LOG: list[dict] = []


class FaultProxy(proxy.Proxy):
    """Passes requests on, except for what the rules say."""

    def administer(self, body):
        if not self.path.startswith("/_fault/"):
            return None
        match self.command, self.path:
            case "POST", "/_fault/rules":
                RULES.set(json.loads(body))
                content: object = {}
            case "GET", "/_fault/rules":
                content = RULES.rules
            case "GET", "/_fault/log":
                content = LOG
            case "DELETE", "/_fault/log":
                LOG.clear()
                content = {}
            case _:
                return proxy.Answer(404, {}, b"{}")
        return proxy.Answer(200, {"Content-Type": "application/json"}, json.dumps(content).encode())

    def answer(self, call, body):
        rule = RULES.first_for(call, body)
        fault = rule["do"] if rule else None
        entry = {"service": call.service, "action": call.action, "account": call.account, "injected": fault, "status": None}
        LOG.append(entry)
        answer = self._before(call, body, rule, fault)
        if answer == "hang up":
            return self.hang_up()
        if answer is None:
            answer = self.forward(body)
            MEMORY.note(call, self._question(call, body), answer)
        entry["status"] = answer.status
        if fault == "hold_after":
            self.rfile.read(1)  # until the client gives up
        if fault in ("drop_after", "hold_after"):
            return self.hang_up()
        if fault == "truncate":
            self.reply(answer, sent_bytes=len(answer.body) // 2)
            return self.hang_up()
        return answer

    def _before(self, call, body, rule, fault):
        """What happens instead of passing the request on: an answer, "hang up", or None."""
        match fault:
            case "error":
                status = rule.get("status", 400)
                data, headers = wire.error_body(call, rule["code"], rule.get("message", "injected by the fault proxy"))
                return proxy.Answer(status, headers, data)
            case "delay":
                time.sleep(rule["ms"] / 1e3)
            case "drop_before":
                return "hang up"
            case "hold":
                self.rfile.read(1)  # until the client gives up
                return "hang up"
            case "stale":
                return MEMORY.stale(call, self._question(call, body), rule["ms"] / 1e3)
        return None

    def _question(self, call, body) -> tuple:
        return (call.account, call.region, call.service, self.command, self.path, body)


def main() -> None:
    global RULES
    parser = lifeline.arguments("a proxy that makes AWS fail")
    parser.add_argument("--upstream", required=True, help="the emulator's address")
    parser.add_argument("--seed", type=int, help="makes rules with a probability repeatable")
    options = parser.parse_args()
    RULES = Rules(options.seed)
    proxy.serve(FaultProxy, options)


if __name__ == "__main__":
    main()
