//! Secrets by vendor: tokens with a prefix, values that words announce, passwords, and addresses with a password in them.
mod announced;
mod checksum;
mod connection;
pub(super) mod discord;
mod keyed;
mod line;
mod names;
mod password;
mod pattern;
mod prefixes;
mod random;
mod telegram;
mod vendor;
mod words;

pub(super) use checksum::is_base62_right;
pub(super) use random::looks_drawn;

use crate::gate::Head;
use crate::rules::Rule;
use crate::text::{Answer, Text};

/// What the gate must look for.
pub(super) fn heads() -> Vec<Head> {
    let mut heads = vendor::heads();
    let words = password::HEADS.map(|bytes| Head::long(Rule::Password, bytes, true, false));
    heads.extend(words);
    heads.push(Head::new(Rule::Telegram, telegram::MARK, false, false));
    let lines = connection::HEADS.iter().chain(&line::HEADS);
    heads.extend(lines.map(|bytes| Head::long(Rule::Connection, bytes, false, false)));
    heads
}

pub(super) fn decide(rule: Rule, text: Text<'_>, start: usize) -> Answer {
    match rule {
        Rule::Keyed => keyed::decide(text, start),
        Rule::Password => password::decide(text, start),
        Rule::Discord => discord::decide(text, start),
        Rule::Telegram => telegram::decide(text, start),
        Rule::Connection => connection::decide(text, start),
        _ => vendor::decide(text, start),
    }
}

pub(super) use keyed::{partial, start_of};
pub(crate) use vendor::example;
pub(super) use vendor::go_on;
