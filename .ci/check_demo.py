"""Checks the object that `bartizan demo --exit --json` prints.   check_demo.py FILE"""

import json
import re
import sys

COUNTS = ["requests", "released", "redacted", "refused", "denied", "leaked", "leaked_unguarded", "released_by_policy", "records"]


def problems(told):
    for name in COUNTS:
        if type(told.get(name)) is not int or told[name] < 0:
            yield f"{name} is {told.get(name)!r}, not a count"
            return
    ledger, overhead = told.get("ledger", {}), told.get("overhead_us", {})
    expected = [
        ("leaked is not 0: something got out", told["leaked"] == 0),
        ("leaked_unguarded is 0: the attacks show nothing", told["leaked_unguarded"] > 0),
        ("requests is too small for a story", told["requests"] >= 9),
        ("something must be released, redacted, refused and denied", all(told[n] > 0 for n in COUNTS[1:5])),
        ("open is not a list", isinstance(told.get("open"), list)),
        ("ledger.verified is not true", ledger.get("verified") is True),
        ("ledger.leaves is 0", type(ledger.get("leaves")) is int and ledger["leaves"] > 0),
        ("ledger.root is not 64 hexadecimal digits", re.fullmatch("[0-9a-f]{64}", str(ledger.get("root")))),
        ("overhead_us has no p50 <= p99", 0 < overhead.get("p50", 0) <= overhead.get("p99", 0)),
    ]
    yield from (why for why, holds in expected if not holds)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(problems(json.load(file)))
    for why in found:
        print(f"demo: {why}")
    print(f"demo: {'FAILED' if found else 'ok'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
