//! What a text says or hides: instructions, markup, abuse. New kinds go to the end.

kinds! {
    SystemPrompt = "leak.system-prompt", "part of the system prompt", []
        .whole_part().no_example("depends on the request's system prompt").notes("an answer that quotes facts which only the system prompt has looks the same; what the caller wrote too, and addresses, are left alone");
    ExfilContext = "exfil.context", "request data carried away", []
        .whole_part().no_example("depends on the request's secrets and system prompt").notes("a tool call that does what it is for with the caller's data looks the same");
}
