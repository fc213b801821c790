"""Cases for `langchain-openai`, which reads answers and streams in its own way."""

import openai
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from harness import PLACEHOLDER, check
from openai_python import raises
from scripted import CARD, SCRIPTS


@tool
def get_weather(city: str, unit: str) -> str:
    """Tells the weather."""
    return f"fine in {city} ({unit})"


def model(world):
    return ChatOpenAI(
        base_url=world.base, api_key=world.key, model=world.model, max_tokens=24, temperature=0, seed=1, max_retries=0, timeout=60
    )


def invoke(world):
    answer = model(world).invoke("script:hello")
    check(answer.type == "ai", repr(answer))
    return answer.content


def stream(world):
    chunks = [chunk.content for chunk in model(world).stream("script:hello")]
    check(len(chunks) > 1, f"{len(chunks)} chunks are no stream")
    return "".join(chunks)


def tool_binding(world):
    answer = model(world).bind_tools([get_weather]).invoke("script:tool")
    if world.upstream == "scripted":
        check(answer.tool_calls and answer.tool_calls[0]["args"]["city"] == "Zürich", repr(answer))
    return [call["args"] for call in answer.tool_calls]


def tool_binding_stream(world):
    whole = None
    for chunk in model(world).bind_tools([get_weather]).stream("script:tool"):
        whole = chunk if whole is None else whole + chunk
    return [call["args"] for call in whole.tool_calls]


def card_in_stream(world):
    text = "".join(chunk.content for chunk in model(world).stream("script:card"))
    check(("4242" in text) != world.guard, repr(text))
    check(bool(PLACEHOLDER.search(text)) == world.guard, repr(text))
    if not world.guard:
        check(text == SCRIPTS["card"].text and CARD in text, repr(text))


def bad_key(world):
    """An error keeps its class and its code on the way through langchain."""
    stranger = ChatOpenAI(base_url=world.base, api_key="bz_wrong_key_0123456789abcdef", model=world.model, max_retries=0, timeout=60)
    error = raises(openai.AuthenticationError, lambda: stranger.invoke("script:hello"))
    check(error.body["code"] == "invalid_api_key", repr(error.body))


def refused_answer(world):
    """A refused tool call is an answer without calls, not an exception, and says so in its metadata."""
    answer = model(world).bind_tools([get_weather]).invoke("script:pay")
    check(answer.response_metadata["finish_reason"] == "content_filter" and not answer.tool_calls, repr(answer))


def upstream_gone(world):
    error = raises(openai.InternalServerError, lambda: model(world).invoke("script:hello"))
    check(error.body["code"] == "upstream_unreachable", repr(error.body))


HARMLESS = [invoke, stream, tool_binding, tool_binding_stream]
BOTH_WAYS = [card_in_stream]
GUARDED = [bad_key, refused_answer]
