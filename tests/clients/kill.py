"""SIGKILL under load: whatever a client has in its hands, the ledger knows.

Usage: kill.py --bin target/release/bartizan [--rounds 5] [--seed N] [--json]

Each round fires plain and streaming requests at the gateway, kills it at a random moment, verifies the ledger, starts the
gateway again (which recovers) and checks:
* every answer that a client received whole, and every stream whose finish_reason it saw, has its INTENT and its OUTCOME;
* every INTENT has exactly one OUTCOME, and no OUTCOME stands alone;
* the texts of some of these answers are there: the question as it was sent, and a plain answer to the byte;
* the ledger verifies, before and after recovery;
* the start after the kill takes less than a second.
With --json the last line tells all rounds together. Standard library only.
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
# How many answers of a round are read again, text and all.
N_READ_AGAIN = 4
# A log that has grown for so many rounds makes room for a new one, so that the last round is as quick as the first.
ROUNDS_PER_LOG = 10
RESTART_S_MAX = 1.0
QUESTIONS = ["What is the card number on file?", "Tell me about the sea.", "Repeat after me: all is well.", "hello"]


class Load:
    """Callers that ask until the gateway is gone, and what they had received whole by then."""

    def __init__(self, url, seed):
        self.host = url.removeprefix("http://")
        self.lock = threading.Lock()
        self.whole, self.strange, self.n_cut, self.texts = [], [], 0, {}
        self.threads = [threading.Thread(target=self.call_on, args=(seed * N_CALLERS + i,)) for i in range(N_CALLERS)]
        for thread in self.threads:
            thread.start()

    def call_on(self, seed):
        chance = random.Random(seed)
        while True:
            stream = chance.random() < 0.5
            question = chance.choice(QUESTIONS)
            try:
                record, text = self.call(question, stream)
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
                self.texts[record] = (question, text)

    def call(self, question, stream):
        """One request on a connection of its own; returns the record's id, and a plain answer's text, once the answer is complete."""
        line = http.client.HTTPConnection(self.host, timeout=CALL_S_MAX)
        try:
            body = {"model": "range", "stream": stream, "messages": [{"role": "user", "content": question}]}
            head = {"authorization": f"Bearer {CALLER_KEY}", "content-type": "application/json"}
            line.request("POST", "/v1/chat/completions", json.dumps(body), head)
            answer = line.getresponse()
            record = answer.headers["x-bartizan-record"]
            check(answer.status == 200 and record, f"{answer.status} {answer.headers}")
            if not stream:
                return record, answer.read().decode()
            for event in answer:
                if event.startswith(b"data: {") and any(c.get("finish_reason") for c in json.loads(event[6:])["choices"]):
                    return record, None
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


def read_again(binary, folder, record, question, text):
    """The texts of one exchange are what went over the wire."""
    leaves = json.loads(audit(binary, folder, "show", record, "--reveal"))
    kept = {leaf["kind"]: leaf.get("released") for leaf in leaves}
    check(question in (kept.get("intent") or ""), f"{record}: the question is not kept: {kept.get('intent')!r}")
    check(kept.get("outcome"), f"{record}: no text of the answer is kept")
    check(text is None or kept["outcome"] == text, f"{record}: another answer is kept: {kept['outcome']!r}, not {text!r}")


def run_round(binary, upstream, folder, chance, total):
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
    began = time.monotonic()
    _, again = start_gateway(binary, upstream, folder)
    restart_s = time.monotonic() - began
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
    for record in chance.sample(load.whole, min(N_READ_AGAIN, len(load.whole))):
        read_again(binary, folder, record, *load.texts[record])
    total["answers"] += len(load.whole)
    total["restart_ms_max"] = max(total["restart_ms_max"], round(restart_s * 1000))
    check(restart_s < RESTART_S_MAX, f"the start after the kill took {restart_s:.2f} s, at most {RESTART_S_MAX}")
    told = ", ".join(f"{name} {n}" for name, n in sorted(outcomes.items()))
    return f"{len(load.whole)} whole, {load.n_cut} cut, restart {restart_s * 1000:.0f} ms, leaves {n_before} then {n_after}; {told}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the bartizan binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--json", action="store_true", help="tell all rounds together in a last line of JSON")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    total = {"kills": 0, "answers": 0, "restart_ms_max": 0, "failures": []}
    upstream, range_process = start_range(arguments.bin, "--seed", "7", "--chunk-bytes", "4", "--delay-ms", "1")
    try:
        for first in range(1, arguments.rounds + 1, ROUNDS_PER_LOG):
            numbers = range(first, min(first + ROUNDS_PER_LOG, arguments.rounds + 1))
            with tempfile.TemporaryDirectory(prefix="bartizan-kill-") as folder:
                run_rounds(arguments.bin, upstream, folder, chance, numbers, total)
    finally:
        range_process.stop()
    n_failed = len(total["failures"])
    print(f"{arguments.rounds - n_failed} passed, {n_failed} failed", flush=True)
    if arguments.json:
        print(json.dumps(total), flush=True)
    return 1 if n_failed else 0


def run_rounds(binary, upstream, folder, chance, numbers, total):
    for number in numbers:
        total["kills"] += 1
        try:
            print(f"ok   kill round {number}: {run_round(binary, upstream, folder, chance, total)}", flush=True)
        except Exception as error:  # every round is reported, whatever it died of
            total["failures"].append(f"round {number}: {type(error).__name__}: {error}")
            print(f"FAIL kill round {number}: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
