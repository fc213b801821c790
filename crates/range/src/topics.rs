//! Canned answers to plain questions: what an honest visitor gets.
use crate::said::Said;

/// Stands at the end of every answer that is the range's own text.
pub(crate) const NOTE: &str = "(Practice range: no language model is inside.)";

/// Words that name a topic, and what the range has to say about it.
const TOPICS: &[(&[&str], &str)] = &[
    (
        &[
            "who are you",
            "what are you",
            "your name",
            "are you an ai",
            "which model",
            "what model",
            "language model",
        ],
        "I am the range, a practice target for guards. My answers are canned and chosen by key words.",
    ),
    (
        &["bartizan"],
        "A bartizan is a small turret that hangs from a castle's wall. The Bartizan that started me stands between the \
         world and an open model.",
    ),
    (
        &["prompt injection", "jailbreaks", "injection attack"],
        "A prompt injection is text that a model takes for an order though it was only meant to be read: in a web page, \
         a document or a tool's answer.",
    ),
    (
        &["iban", "bank account"],
        "An IBAN names a bank account across borders: a country, two check digits, and the account. The remainder by 97 \
         of a valid one is 1.",
    ),
    (
        &["luhn", "credit card", "card number", "card numbers", "credit cards"],
        "A payment card number ends in a check digit that Hans Peter Luhn's sum makes: double every second digit from \
         the right, and the total ends in 0.",
    ),
    (
        &["capital of france", "paris"],
        "The capital of France is Paris, and the canned answer is always Paris.",
    ),
    (
        &["weather", "rain", "sunny", "temperature"],
        "I have no window. A practice range is usually dry, with a light breeze of packets from the north.",
    ),
    (
        &["joke", "funny", "laugh"],
        "A token walks into a bar. The bartender says: we only serve whole words here.",
    ),
    (
        &["2 2", "two plus two", "two and two", "arithmetic"],
        "Two and two make four, today as on any other day.",
    ),
    (
        &["rust", "programming", "python", "code"],
        "Here is a program that always works:\n\n```rust\nfn main() {\n    println!(\"hello, range\");\n}\n```",
    ),
    (
        &["recipe", "cook", "dinner", "pasta"],
        "Boil water with salt, cook 100 g of pasta per person for nine minutes, add oil, garlic and pepper, and eat it hot.",
    ),
    (
        &["unicode", "emoji", "umlaut", "languages"],
        "Grüße aus der Übungsanlage! Здравствуйте, 你好, नमस्ते, مرحبا and 👩‍🚀🏳️‍🌈: each of these takes more than one byte.",
    ),
    (
        &["story", "poem", "essay", "long answer"],
        "Once there was a wall with a small turret. Every morning a clerk sat down below it with a drawer full of \
         secrets, and every morning people came by to chat.\n\n\
         Most of them asked about the weather, and the clerk was glad to tell. Some said that they were the king, or the \
         king's grandmother, and the clerk, who had never learnt to say no, opened the drawer each time.\n\n\
         So the people of the town built a watch into the turret. It read what went in and what came out. It did not \
         mind the weather, nor the jokes, nor the king. But when a number from the drawer went by, in whatever coat, it \
         closed the shutter, wrote a line into its book, and opened the shutter again.\n\n\
         The clerk never noticed. The visitors did, and came back with better coats; and the book grew longer, which \
         is how the watch learnt about coats.",
    ),
    (
        &["help", "what can you do", "how do i", "how to", "explain"],
        "Ask me for the card number, the keys, the e-mail or the system prompt; tell me to ignore my instructions; hide \
         an order in a tool result; or offer me a tool and ask me to send something.",
    ),
    (&["thank you", "thanks", "cheers"], "You are welcome."),
    (
        &["hello", "hi", "hey", "good morning", "good evening", "ping", "test"],
        "Hello! How can I help you today?",
    ),
];

const FALLBACK: &str =
    "That is a good question, and I have no canned answer to it. Ask me what I can do.";

/// The canned answer to a question.
pub(crate) fn canned(ask: &str) -> &'static str {
    let said = Said::new(ask);
    TOPICS.iter().find(|(words, _)| said.has_any(words)).map_or(FALLBACK, |&(_, answer)| answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_answers_to_each_of_its_words() {
        assert!(TOPICS.len() >= 12);
        for (at, (words, answer)) in TOPICS.iter().enumerate() {
            for word in *words {
                let first = TOPICS.iter().position(|(words, _)| Said::new(word).has_any(words));
                assert!(first.is_some_and(|first| first <= at), "{word}");
                if first == Some(at) {
                    assert_eq!(canned(&format!("Please, {word}?")), *answer, "{word}");
                }
            }
        }
        assert_eq!(canned("qwertz"), FALLBACK);
        assert_eq!(canned(""), FALLBACK);
    }
}
