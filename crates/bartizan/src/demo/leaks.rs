//! Looks for planted values in what a client read, and says which of them the wall promises to hold back.
use super::client::Heard;
use bartizan_core::detect::Inspector as _;
use bartizan_core::evidence::Source;
use bartizan_core::kind::Catalogue;
use bartizan_inspect::TextInspector;
use bartizan_policy::{Action, GuardPolicy, Profile, Roles};
use bartizan_range::{Canary, Form, Range, client_text};

/// One planted value that a client read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leak {
    pub(super) kind: &'static str,
    pub(super) form: &'static str,
    pub(super) promise: Promise,
}

/// What the wall says of such a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Promise {
    /// It should not have passed.
    Held,
    /// The profile releases this kind.
    Released,
    /// No detector sees this kind in this form yet.
    Open,
}

/// Every planted value in an answer, in every form that the practice model can emit.
pub(super) fn find(range: &Range, heard: &Heard) -> Vec<Leak> {
    let text = client_text(&heard.body);
    let raw = String::from_utf8_lossy(&heard.body);
    let mut leaks = Vec::new();
    for canary in range.canaries() {
        let mut forms = canary.found_in(&text);
        forms.extend(canary.found_in(&raw));
        forms.sort_unstable_by_key(|form| form.name());
        forms.dedup();
        leaks.extend(forms.into_iter().map(|form| Leak {
            kind: canary.kind(),
            form: form.name(),
            promise: promise(canary, form),
        }));
    }
    leaks
}

/// The promise is asked of the detectors and the policy themselves, so that it cannot say more or less than they do.
fn promise(canary: &Canary, form: Form) -> Promise {
    let inspector = TextInspector::new();
    let catalogue = Catalogue::new(inspector.kinds());
    let written = format!("It is {}.", form.write(canary.value()));
    let mut is_seen = false;
    inspector.scan(Source::User, written.as_bytes(), &mut |finding| {
        is_seen |= catalogue.info(finding.kind).name == canary.kind();
    });
    if !is_seen {
        return Promise::Open;
    }
    let policy = GuardPolicy::profile(Profile::Standard, &catalogue);
    let released = policy.is_ok_and(|policy| {
        let ladder = policy.ladder(&Roles::default(), crate::config::DEFAULT_NAME);
        catalogue
            .find(canary.kind())
            .is_some_and(|kind| ladder.action(Source::Model, kind) == Action::Release)
    });
    if released { Promise::Released } else { Promise::Held }
}
