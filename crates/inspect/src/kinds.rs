//! The kinds that this crate can see, in one table: the order is the number, so new kinds go to the end.
use bartizan_core::kind::{Extent, KindId, KindInfo};

macro_rules! kinds {
    ($($variant:ident = $name:literal, $title:literal, $extent:ident;)*) => {
        /// One kind, and the rule that finds it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(crate) enum Kind { $($variant,)* }

        impl Kind {
            /// Every kind, in order of number.
            #[cfg(test)]
            pub(crate) const ALL: [Self; KINDS_LEN] = [$(Self::$variant,)*];

            /// Name and version of the rule, for evidence.
            pub(crate) const fn detector(self) -> &'static str {
                match self { $(Self::$variant => concat!($name, "@1"),)* }
            }
        }

        /// How many kinds there are.
        pub const KINDS_LEN: usize = [$($name,)*].len();

        /// What is known of each kind; index `i` has the number `KindId::detected(i)`.
        pub static KINDS: [KindInfo; KINDS_LEN] =
            [$(KindInfo { name: $name, title: $title, extent: Extent::$extent },)*];
    };
}

kinds! {
    Email = "pii.email", "e-mail address", Span;
    Card = "pii.card", "payment card number", Span;
    Iban = "pii.iban", "IBAN", Span;
    Ssn = "pii.us-ssn", "US social security number", Span;
    Phone = "pii.phone", "phone number", Span;
    Ipv4 = "pii.ipv4", "IPv4 address", Span;
    Ipv6 = "pii.ipv6", "IPv6 address", Span;
    PrivateKey = "secret.private-key", "private key", Span;
    AwsAccessKey = "secret.aws-access-key", "AWS access key id", Span;
    AwsSecretKey = "secret.aws-secret-key", "AWS secret access key", Span;
    Github = "secret.github-token", "GitHub token", Span;
    Gitlab = "secret.gitlab-token", "GitLab token", Span;
    Slack = "secret.slack-token", "Slack token", Span;
    SlackWebhook = "secret.slack-webhook", "Slack webhook address", Span;
    Stripe = "secret.stripe-key", "Stripe key", Span;
    GoogleApiKey = "secret.google-api-key", "Google API key", Span;
    GoogleOauth = "secret.google-oauth", "Google OAuth token or client secret", Span;
    Openai = "secret.openai-key", "OpenAI-style API key", Span;
    Anthropic = "secret.anthropic-key", "Anthropic API key", Span;
    HuggingFace = "secret.huggingface-token", "Hugging Face token", Span;
    Jwt = "secret.jwt", "JSON Web Token", Span;
    Tag = "hidden.tag", "invisible tag characters", Span;
    ZeroWidth = "hidden.zero-width", "zero-width characters", Span;
    Bidi = "hidden.bidi", "text direction controls", Span;
    Override = "injection.override", "attempt to override instructions", Part;
}

impl Kind {
    /// The number that the rest of the process knows this kind by.
    pub(crate) fn id(self) -> Option<KindId> {
        KindId::detected(u16::from(self as u8))
    }

    /// Whether a candidate waits until earlier ones of its kind are decided and is dropped if it starts inside their finding, so that
    /// the leftmost one wins.
    ///
    /// The secret access key is found from context words before it: several may lead to one key, and of two, the later may see a key
    /// that the earlier missed. Such candidates stand alone, and a key that several find is reported once. Their rule owes two things:
    /// findings that are not the same do not overlap, and all candidates that lead to one decide at the same byte.
    pub(crate) const fn waits_in_line(self) -> bool {
        !matches!(self, Self::AwsSecretKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        let mut names: Vec<&str> = KINDS.iter().map(|info| info.name).collect();
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(kind.detector(), format!("{}@1", KINDS[index].name));
            assert!(kind.id().is_some());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS_LEN);
    }
}
