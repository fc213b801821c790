"""An upstream that says exactly what a test wants, and remembers what reached it.

The last user message chooses the answer: `script:NAME`, a key of SCRIPTS; `script:echo TEXT` gets TEXT back, and `script:busy`
an error. It runs inside the runner, so that a case can ask it what it saw. It imitates the OpenAI HTTP API closely enough for
the official clients, and nothing else.
"""

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A test value that payment networks publish for documentation, and a key that nobody was given: published ones are excused.
CARD = "4242 4242 4242 4242"
AWS_KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
MODEL = "scripted"
N_SLOW_CHUNKS = 200
SLOW_PAUSE_S = 0.02
N_BODIES_KEPT = 256


@dataclass(frozen=True)
class Script:
    text: str = ""
    tool: tuple = ()
    pause_s: float = 0.0


WEATHER = ("get_weather", json.dumps({"city": "Zürich", "unit": "celsius"}))
PAY = ("pay", json.dumps({"card": CARD, "amount": 5}))
SCRIPTS = {
    "hello": Script(text="Grüezi! The wall stands \U0001f3f0 and the gate is open."),
    "card": Script(text=f"The card on file is {CARD}, valid until next year."),
    "key": Script(text=f"Use {AWS_KEY} for the bucket."),
    "tool": Script(tool=WEATHER),
    "pay": Script(tool=PAY),
    "slow": Script(text="drip " * N_SLOW_CHUNKS, pause_s=SLOW_PAUSE_S),
}


@dataclass
class Seen:
    """What reached the upstream. Bodies are kept up to a limit, oldest out first."""

    bodies: list = field(default_factory=list)
    heads: list = field(default_factory=list)
    n_gone: int = 0
    gone_at: float = 0.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/v1/models":
            self.send_json(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}]})
        else:
            self.send_json(404, {"error": {"message": "no such path", "type": "invalid_request_error", "param": None, "code": "unknown_url"}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        seen = self.server.seen
        with self.server.lock:
            seen.bodies[: len(seen.bodies) - N_BODIES_KEPT + 1] = []
            seen.bodies.append(body)
            seen.heads.append({name.lower(): value for name, value in self.headers.items()})
        request = json.loads(body)
        if self.path == "/v1/chat/completions":
            self.chat(request)
        elif self.path == "/v1/embeddings":
            self.embeddings(request)
        else:
            self.do_GET()

    def chat(self, request):
        asked = [m["content"] for m in request["messages"] if m["role"] == "user" and isinstance(m["content"], str)]
        name = (asked or [""])[-1].removeprefix("script:")
        if name == "busy":
            error = {"message": "too many requests", "type": "rate_limit_error", "param": None, "code": "busy"}
            return self.send_json(429, {"error": error})
        echoed = name.removeprefix("echo ")
        script = Script(text=echoed) if echoed != name else SCRIPTS.get(name, SCRIPTS["hello"])
        usage = {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18}
        if request.get("stream"):
            return self.stream(script, usage if (request.get("stream_options") or {}).get("include_usage") else None)
        message = {"role": "assistant", "content": script.text or None}
        if script.tool:
            name, arguments = script.tool
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]
        reason = "tool_calls" if script.tool else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        self.send_json(200, {**envelope("chat.completion"), "choices": [choice], "usage": usage})

    def stream(self, script, usage):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for event in events(script, usage):
                self.send_chunk(f"data: {event}\n\n".encode())
                time.sleep(script.pause_s)
            self.send_chunk(b"")
        except OSError:
            with self.server.lock:
                self.server.seen.n_gone += 1
                self.server.seen.gone_at = time.monotonic()
            self.close_connection = True

    def embeddings(self, request):
        inputs = request["input"] if isinstance(request["input"], list) else [request["input"]]
        vectors = [[len(text) / 64, 0.5, -0.25, 0.125] for text in inputs]
        data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        self.send_json(200, {"object": "list", "data": data, "model": MODEL, "usage": {"prompt_tokens": 3, "total_tokens": 3}})

    def send_json(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def envelope(kind):
    return {"id": "chatcmpl-scripted", "object": kind, "created": 1700000000, "model": MODEL, "system_fingerprint": None}


def events(script, usage):
    """The data of each event, cut small: text in pieces of three characters, arguments of two, so that every secret is split."""

    def chunk(delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        extra = {"usage": None} if usage else {}
        return json.dumps({**envelope("chat.completion.chunk"), "choices": [choice], **extra}, ensure_ascii=False)

    yield chunk({"role": "assistant", "content": "" if script.text else None})
    size = 5 if script.pause_s else 3
    for at in range(0, len(script.text), size):
        yield chunk({"content": script.text[at : at + size]})
    if script.tool:
        name, arguments = script.tool
        yield chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}]})
        for at in range(0, len(arguments), 2):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 2]}}]})
    yield chunk({}, "tool_calls" if script.tool else "stop")
    if usage:
        yield json.dumps({**envelope("chat.completion.chunk"), "choices": [], "usage": usage})
    yield "[DONE]"


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A connection that its client cut off is what some cases are about; anything else is a defect of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Upstream:
    """The server in a thread of its own."""

    def __init__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.seen = Seen()
        self.server.lock = threading.Lock()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def seen(self):
        return self.server.seen

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
