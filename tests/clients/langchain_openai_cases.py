"""Cases for `langchain-openai`, which reads answers and streams in its own way."""

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from harness import PLACEHOLDER, check
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


HARMLESS = [invoke, stream, tool_binding, tool_binding_stream]
BOTH_WAYS = [card_in_stream]
