"""SIGKILL under load: whatever a client has in its hands, the ledger knows.

Usage: kill.py --bin target/release/bartizan [--rounds 5] [--seed N]

Each round fires plain and streaming requests at the gateway, kills it at a random moment, verifies the ledger, starts the
gateway again (which recovers) and checks:
* every answer that a client received whole, and every stream whose finish_reason it saw, has its INTENT and its OUTCOME;
* every INTENT has exactly one OUTCOME, and no OUTCOME stands alone;
* the ledger verifies, before and after recovery.
Standard library only.
"""

import argparse
import collections
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time

from harness import CALLER_KEY, check, start_gateway, start_range

N_CALLERS = 16
FIRST_KILL_S, LAST_KILL_S = 0.3, 1.5
CALL_S_MAX = 20
N_LISTED_MAX = 1_000_000
QUESTIONS = ["What is the card number on file?", "Tell me about the sea.", "Repeat after me: all is well.", "hello"]


class Load:
    """Callers that ask until the gateway is gone, and what they had received whole by then."""

    def __init__(self, url, seed):
        self.host = url.removeprefix("http://")
        self.lock = threading.Lock()
        self.whole, self.strange, self.n_cut = [], [], 0
        self.threads = [threading.Thread(target=self.call_on, args=(seed * N_CALLERS + i,)) for i in range(N_CALLERS)]
        for thread in self.threads:
            thread.start()

    def call_on(self, seed):
        chance = random.Random(seed)
        while True:
            stream = chance.random() < 0.5
            try:
                record = self.call(chance.choice(QUESTIONS), stream)
            except (OSError, http.client.HTTPException):
                with self.lock:
                    self.n_cut += 1
                return
            except Exception as error:  # kept for the main thread, which reports it
                with self.lock:
                    self.strange.append(repr(error))
                return
            with self.lock:
                self.whole.append(record)

    def call(self, question, stream):
        """One request on a connection of its own; returns the record's id once the answer is complete."""
        line = http.client.HTTPConnection(self.host, timeout=CALL_S_MAX)
        try:
            body = {"model": "range", "stream": stream, "messages": [{"role": "user", "content": question}]}
            head = {"authorization": f"Bearer {CALLER_KEY}", "content-type": "application/json"}
            line.request("POST", "/v1/chat/completions", json.dumps(body), head)
            answer = line.getresponse()
            record = answer.headers["x-bartizan-record"]
            check(answer.status == 200 and record, f"{answer.status} {answer.headers}")
            if not stream:
                answer.read()
                return record
            for event in answer:
                if event.startswith(b"data: {") and any(c.get("finish_reason") for c in json.loads(event[6:])["choices"]):
                    return record
            raise http.client.IncompleteRead(b"a stream without finish_reason")
        finally:
            line.close()

    def wait(self):
        for thread in self.threads:
            thread.join(CALL_S_MAX + 5)
            check(not thread.is_alive(), "a caller hangs on a dead gateway")


def audit(binary, folder, *words):
    command = [binary, "audit", *words, "--dir", folder, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def verify(binary, folder):
    told = json.loads(audit(binary, folder, "verify"))
    check(told["verified"] is True and told["problem"] is None, str(told))
    return told["leaves"]


def exchanges(binary, folder):
    """How many INTENTs and OUTCOMEs each record has, and the OUTCOMEs by name."""
    kinds, outcomes = collections.defaultdict(collections.Counter), collections.Counter()
    listed = audit(binary, folder, "list", "--limit", str(N_LISTED_MAX)).splitlines()
    for line in listed:
        leaf = json.loads(line)
        if leaf["kind"] in ("intent", "outcome"):
            kinds[leaf["record"]][leaf["kind"]] += 1
        if leaf["kind"] == "outcome":
            outcomes[leaf["outcome"]] += 1
    check(kinds, "the ledger lists no exchange")
    return kinds, outcomes


def run_round(binary, upstream, folder, chance):
    url, gateway = start_gateway(binary, upstream, folder)
    load = None
    try:
        load = Load(url, chance.randrange(1 << 30))
        time.sleep(chance.uniform(FIRST_KILL_S, LAST_KILL_S))
    finally:
        gateway.kill()
        gateway.stop()
        if load:
            load.wait()
    n_before = verify(binary, folder)
    _, again = start_gateway(binary, upstream, folder)
    again.stop()
    n_after = verify(binary, folder)
    kinds, outcomes = exchanges(binary, folder)
    once = {"intent": 1, "outcome": 1}
    lost = [record for record in load.whole if kinds.get(record) != once]
    odd = {record: dict(count) for record, count in kinds.items() if count != once}
    check(not load.strange, f"strange answers: {load.strange[:3]}")
    check(not lost, f"{len(lost)} answers without their records: {lost[:3]}")
    check(not odd, f"{len(odd)} records without exactly one INTENT and one OUTCOME: {list(odd.items())[:3]}")
    check(load.whole, "no answer was complete before the kill: the round shows nothing")
    check(n_before <= n_after, f"recovery lost leaves: {n_before} before, {n_after} after")
    told = ", ".join(f"{name} {n}" for name, n in sorted(outcomes.items()))
    return f"{len(load.whole)} whole, {load.n_cut} cut, leaves {n_before} then {n_after}; {told}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the bartizan binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    n_failed = 0
    upstream, range_process = start_range(arguments.bin, "--seed", "7", "--chunk-bytes", "4", "--delay-ms", "1")
    try:
        with tempfile.TemporaryDirectory(prefix="bartizan-kill-") as folder:
            for number in range(1, arguments.rounds + 1):
                try:
                    print(f"ok   kill round {number}: {run_round(arguments.bin, upstream, folder, chance)}", flush=True)
                except Exception as error:  # every round is reported, whatever it died of
                    n_failed += 1
                    print(f"FAIL kill round {number}: {type(error).__name__}: {error}", flush=True)
    finally:
        range_process.stop()
    print(f"{arguments.rounds - n_failed} passed, {n_failed} failed", flush=True)
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
