"""Real clients against the wall, and against what stands behind it.

Usage: run.py [--bin target/release/bartizan] [--npm FOLDER] [--only SUBSTRING]

Prints one line per case and `N passed, N failed`; exits 1 if a case failed. Without --bin only the runs without the wall
take place, which checks the cases themselves. See README.md for what the Python and the Node environment need.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile

import export_duckdb
import langchain_openai_cases
import openai_python
import tiny_gguf
from harness import Process, Tally, World, check, free_port, start_gateway, start_passage, start_range
from scripted import MODEL, Upstream

HERE = os.path.dirname(os.path.abspath(__file__))
NODE_S_MAX = 300


def start_llama(folder):
    """llama.cpp's own server with a random model; returns its URL and its process."""
    model, port = os.path.join(folder, "tiny.gguf"), free_port()
    tiny_gguf.write(model)
    url = f"http://127.0.0.1:{port}"
    return url, Process([sys.executable, os.path.join(HERE, "llama_server.py"), model, str(port)], f"{url}/v1/models")


def run_python(tally, world):
    for name, cases in [("openai-py", openai_python), ("langchain", langchain_openai_cases)]:
        for case in cases.HARMLESS:
            tally.run(name, case.__name__, world, case, compare=True)
        if world.upstream == "scripted":
            for case in cases.BOTH_WAYS + (cases.GUARDED if world.guard else []):
                tally.run(name, case.__name__, world, case)
    if world.upstream == "range":
        tally.run("openai-py", "card_from_range", world, openai_python.card_from_range)


def run_node(tally, world, packages):
    names = ("upstream", "guard", "model", "key")
    told = json.dumps({**{name: getattr(world, name) for name in names}, "base": world.base})
    command = ["node", os.path.join(HERE, "openai_node.mjs"), packages, told]
    lines = []

    def whole(_):
        done = subprocess.run(command, capture_output=True, text=True, timeout=NODE_S_MAX, stdin=subprocess.DEVNULL, check=False)
        lines.extend(json.loads(line) for line in done.stdout.splitlines())
        check(done.returncode == 0 and lines, f"node ended with {done.returncode}: {done.stderr[-2000:]}")

    tally.run("openai-js", "(whole run)", world, whole)
    for line in lines:

        def case(_, line=line):
            check("error" not in line, line.get("error"))
            return line["value"]

        tally.run("openai-js", line["name"], world, case, compare=line["compare"])


def run_world(tally, world, packages):
    run_python(tally, world)
    if packages:
        run_node(tally, world, packages)


def run_upstream(tally, arguments, upstream, url, model, scripted):
    """The same runs three times: without the gateway, through it with its guard off, and with its guard on."""
    run_world(tally, World(upstream, False, url, model, scripted=scripted, direct=True), arguments.npm)
    if not arguments.bin:
        return
    with tempfile.TemporaryDirectory(prefix="bartizan-clients-") as folder:
        passage, process = start_passage(arguments.bin, url, folder)
        try:
            run_world(tally, World(upstream, False, passage, model, scripted=scripted), arguments.npm)
        finally:
            process.stop()
    with tempfile.TemporaryDirectory(prefix="bartizan-clients-") as folder:
        wall, process = start_gateway(arguments.bin, url, folder)
        try:
            run_world(tally, World(upstream, True, wall, model, scripted=scripted), arguments.npm)
        finally:
            process.stop()
        if upstream == "scripted":
            world = World(upstream, True, wall, model)
            tally.run("audit", "verify", world, lambda _: verify(arguments.bin, folder))
            tally.run("duckdb", "export", world, lambda _: export_duckdb.same_rows(arguments.bin, folder))


def run_scripted(tally, arguments, stack):
    scripted = Upstream()
    stack.callback(scripted.stop)
    run_upstream(tally, arguments, "scripted", scripted.url, MODEL, scripted)
    if arguments.bin:
        run_without_upstream(tally, arguments.bin, arguments.npm)


def run_llama(tally, arguments, stack):
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bartizan-clients-"))
    url, process = start_llama(folder)
    stack.callback(process.stop)
    run_upstream(tally, arguments, "llama", url, "tiny.gguf", None)


def run_range(tally, arguments, stack):
    if arguments.bin:
        url, process = start_range(arguments.bin, "--seed", "7", "--chunk-bytes", "3")
        stack.callback(process.stop)
        run_upstream(tally, arguments, "range", url, "range", None)


def run_without_upstream(tally, binary, packages):
    with tempfile.TemporaryDirectory(prefix="bartizan-clients-") as folder:
        wall, process = start_gateway(binary, f"http://127.0.0.1:{free_port()}", folder)
        try:
            world = World("nobody", True, wall, MODEL)
            tally.run("openai-py", "upstream_gone", world, openai_python.upstream_gone)
            tally.run("langchain", "upstream_gone", world, langchain_openai_cases.upstream_gone)
            if packages:
                run_node(tally, world, packages)
        finally:
            process.stop()


def verify(binary, folder):
    done = subprocess.run([binary, "audit", "verify", "--dir", folder, "--json"], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    check(done.returncode == 0 and told["verified"] is True and told["leaves"] > 0, f"{done.returncode}: {done.stdout}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", help="the bartizan binary; without it, only the runs without the wall")
    parser.add_argument("--npm", help="a folder whose node_modules holds the openai package; without it, no Node runs")
    parser.add_argument("--only", default="", help="only upstreams with this in their name: scripted, llama, range")
    arguments = parser.parse_args()
    tally = Tally()
    for name, run in [("scripted", run_scripted), ("llama", run_llama), ("range", run_range)]:
        if arguments.only not in name:
            continue
        with contextlib.ExitStack() as stack:
            try:
                run(tally, arguments, stack)
            except Exception as error:  # a server that does not start is a failure like any other; the next one may
                tally.broken(name, error)
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
