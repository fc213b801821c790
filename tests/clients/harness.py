"""What every run needs: processes that are stopped by their id, free ports, a place where cases meet a world."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

START_MS_MAX = 60_000
STOP_S_MAX = 40
CALLER_KEY = "bz_test_0123456789abcdefghijklmnopqrstuvwxyz"
KEY_VARIABLE = "BARTIZAN_CLIENT_TEST_KEY"
PLACEHOLDER = re.compile(r"\[redacted:[a-z0-9.-]+\]")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child in its own session, with its output in a file that is shown when something goes wrong."""

    def __init__(self, command, ready_url, env=None):
        self.log = tempfile.NamedTemporaryFile(prefix="bartizan-clients-", suffix=".log", delete=False)
        self.command = command
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        try:
            self.wait_until_ready(ready_url)
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self, url):
        end = time.monotonic() + START_MS_MAX / 1000
        while time.monotonic() < end:
            if self.child.poll() is not None:
                raise RuntimeError(f"{self.command[0]} ended with {self.child.returncode}:\n{self.said()}")
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(url, timeout=2).close()
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.command[0]} was not ready after {START_MS_MAX} ms:\n{self.said()}")

    def said(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()[-4000:]

    def kill(self):
        self.child.kill()
        self.child.wait()

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()
        os.unlink(self.log.name)


def start_range(binary, *flags):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    return url, Process([binary, "range", "--listen", f"127.0.0.1:{port}", *flags], f"{url}/v1/models")


def start_gateway(binary, upstream, folder, *flags):
    """Starts the gateway; returns its URL and its process. It is ready when the control listener says so."""
    return serve(binary, ["--upstream", upstream, "--dir", folder, *flags])


def start_passage(binary, upstream, folder):
    """Starts the gateway with its guard off: it checks callers and keeps records, and reads no text."""
    config = os.path.join(folder, "off.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'[guard]\nmode = "off"\n[[upstream]]\nname = "default"\nurl = "{upstream}"\n')
    return serve(binary, ["--config", config])


def serve(binary, flags):
    port, control = free_port(), free_port()
    command = [binary, "serve", "--listen", f"127.0.0.1:{port}", "--control", f"127.0.0.1:{control}"]
    process = Process([*command, "--key-env", KEY_VARIABLE, *flags], f"http://127.0.0.1:{control}/readyz", {KEY_VARIABLE: CALLER_KEY})
    return f"http://127.0.0.1:{port}", process


@dataclass
class World:
    """Where a case runs: which upstream answers, whether the gateway stands before it, and whether its guard is on."""

    upstream: str
    guard: bool
    url: str
    model: str
    key: str = CALLER_KEY
    scripted: Any = None
    direct: bool = False

    @property
    def base(self):
        return f"{self.url}/v1"

    @property
    def title(self):
        return f"{self.upstream}, {'direct' if self.direct else 'guard on' if self.guard else 'guard off'}"


@dataclass
class Tally:
    """Counts cases and says one line for each."""

    passed: int = 0
    failed: int = 0
    observed: dict = field(default_factory=dict)

    def run(self, client, name, world, case, compare=False):
        started = time.monotonic()
        try:
            value = case(world)
            if compare:
                self.compare(client, name, world, value)
        except Exception as error:  # a failing case must not hide the ones after it
            self.say("FAIL", client, name, world, started, f"{type(error).__name__}: {error}")
            return
        self.say("ok", client, name, world, started, "")

    def broken(self, upstream, error):
        """Something failed outside of any case."""
        self.failed += 1
        print(f"FAIL {upstream}: {type(error).__name__}: {error}", flush=True)

    def compare(self, client, name, world, value):
        """Harmless traffic looks the same with and without the gateway, its guard on or off. The direct run comes first."""
        key = (client, name, world.upstream)
        if world.direct:
            self.observed[key] = value
        else:
            check(key in self.observed, "the direct run told nothing to compare with")
            check(value == self.observed[key], f"{world.title}: {value!r}; direct: {self.observed[key]!r}")

    def say(self, verdict, client, name, world, started, why):
        if verdict == "ok":
            self.passed += 1
        else:
            self.failed += 1
        spent = time.monotonic() - started
        print(f"{verdict:4} {client:9} {name:24} [{world.title}] {spent:.2f} s {why[:2000]}".rstrip(), flush=True)


def check(condition, why):
    """An assertion that survives `python -O`."""
    if not condition:
        raise AssertionError(why)


def card_numbers(text):
    """Every run of 13 to 19 digits (single spaces and dashes between them do not count) that passes the Luhn check."""
    found = []
    for match in re.finditer(r"\d(?:[ -]?\d){12,18}", text):
        digits = [int(c) for c in match.group() if c.isdigit()]
        doubled = [sum(divmod(2 * d, 10)) if i % 2 else d for i, d in enumerate(reversed(digits))]
        if sum(doubled) % 10 == 0:
            found.append(match.group())
    return found
