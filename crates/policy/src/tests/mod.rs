//! The crate through its public face: one helper per thing that a test does to it.
mod bad_texts;
mod judging;
mod ladders;
mod profiles;

use crate::{GuardPolicy, PolicyError, Roles};
use bartizan_core::kind::{Catalogue, Extent, KindId, KindInfo};

const fn span(name: &'static str) -> KindInfo {
    KindInfo { name, title: "", extent: Extent::Span }
}

const fn part(name: &'static str) -> KindInfo {
    KindInfo { name, title: "", extent: Extent::Part }
}

/// Kinds that the shipped inspector reports: all classes, and every kind that a profile names.
static KINDS: [KindInfo; 32] = [
    span("pii.email"),
    span("pii.card"),
    span("pii.iban"),
    span("pii.us-ssn"),
    span("pii.phone"),
    span("pii.ipv4"),
    span("pii.ipv6"),
    span("secret.private-key"),
    span("secret.aws-access-key"),
    span("secret.aws-secret-key"),
    span("secret.github-token"),
    span("secret.gitlab-token"),
    span("secret.slack-token"),
    span("secret.slack-webhook"),
    span("secret.stripe-key"),
    span("secret.google-api-key"),
    span("secret.google-oauth"),
    span("secret.openai-key"),
    span("secret.anthropic-key"),
    span("secret.huggingface-token"),
    span("secret.jwt"),
    span("hidden.tag"),
    span("hidden.zero-width"),
    span("hidden.bidi"),
    part("injection.override"),
    part("leak.system-prompt"),
    span("exfil.context"),
    span("exfil.argument"),
    span("exfil.link"),
    span("active.ansi"),
    span("active.html"),
    part("toxic.language"),
];

fn catalogue() -> Catalogue {
    Catalogue::new(&KINDS)
}

fn kind(name: &str) -> KindId {
    catalogue().find(name).expect("the name is in the table")
}

fn load(text: &str) -> Result<GuardPolicy, PolicyError> {
    GuardPolicy::load(&[("mine.cedar".to_owned(), text.to_owned())], &catalogue())
}

fn roles(names: &[&str]) -> Roles {
    names.iter().map(|&name| name.to_owned()).collect()
}
