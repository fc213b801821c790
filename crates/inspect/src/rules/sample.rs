//! Keys that vendors and standards publish as samples. They open nothing, stand in thousands of manuals, and are excused: exactly these
//! bytes, and nothing that merely looks like them. A word such as `EXAMPLE` in a key or beside it excuses nothing.
//!
//! The table has digests, so that no scanner finds a key in it.
use super::digest::sha_256;
use crate::text::{Answer, Stop, Text};

/// A key that a page publishes as a sample, or that every copy of a program for tests has.
#[derive(Clone, Copy, Debug)]
pub struct PublishedSample {
    /// The kind that it would be found as.
    pub kind: &'static str,
    /// What it is.
    pub title: &'static str,
    /// The page that publishes it.
    pub page: &'static str,
    /// How many bytes it has.
    pub n_bytes: usize,
    /// The first sixteen bytes of its SHA-256.
    pub digest: u128,
}

const fn sample(
    [kind, title, page]: [&'static str; 3],
    n_bytes: usize,
    digest: u128,
) -> PublishedSample {
    PublishedSample { kind, title, page, n_bytes, digest }
}

const AWS_ID: &str = "secret.aws-access-key";
const AWS_KEY: &str = "secret.aws-secret-key";
const AWS_PAGE: &str =
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html";
const AWS_CLI_PAGE: &str =
    "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html";
const STRIPE_PAGE: &str = "https://docs.stripe.com/api/authentication";
const GITHUB_PAGE: &str = "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens";

/// The samples.
static SAMPLES: [PublishedSample; 16] = [
    sample(
        [AWS_ID, "sample access key id of AWS", AWS_PAGE],
        20,
        0x1a5d_44a2_dca1_9669_d72e_df4c_4f1c_27c4,
    ),
    sample(
        [AWS_KEY, "sample secret access key of AWS", AWS_PAGE],
        40,
        0x7831_4b11_be2e_5815_49ac_1c4f_6165_63fa,
    ),
    sample(
        [
            AWS_ID,
            "sample of a temporary access key id of AWS",
            "https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html",
        ],
        20,
        0xcb20_d34a_7add_a2f5_d204_3836_051e_242f,
    ),
    sample(
        [AWS_ID, "second sample access key id of AWS", AWS_CLI_PAGE],
        20,
        0xc6ea_27c5_34f9_93d3_1f0a_ef88_2e3d_200e,
    ),
    sample(
        [AWS_KEY, "second sample secret access key of AWS", AWS_CLI_PAGE],
        40,
        0xe21b_597b_a6b9_cafa_59d9_ebc4_d65c_0385,
    ),
    sample(
        ["secret.stripe-key", "key of Stripe's documentation", STRIPE_PAGE],
        32,
        0x2caf_c097_0149_a84f_3b9e_62ea_f169_f36f,
    ),
    sample(
        ["secret.stripe-key", "older key of Stripe's documentation", STRIPE_PAGE],
        32,
        0xf2d6_ca16_5150_33e5_dce1_4eba_840b_979d,
    ),
    sample(
        ["secret.github-token", "sample of a user access token of GitHub", GITHUB_PAGE],
        40,
        0x82e7_4299_544e_0073_8f9c_0acb_69b1_eb34,
    ),
    sample(
        [
            "secret.github-token",
            "sample of an OAuth token of GitHub",
            "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps",
        ],
        40,
        0xbc3a_e723_f57c_6b9e_3fd8_0b69_9fcc_420f,
    ),
    sample(
        ["secret.jwt", "sample that jwt.io opens with", "https://jwt.io/"],
        155,
        0x7f75_367e_7881_2551_34e1_375e_723d_1dea,
    ),
    sample(
        ["secret.jwt", "example of RFC 7519", "https://www.rfc-editor.org/rfc/rfc7519#section-3.1"],
        179,
        0x8d4e_f653_6dc8_895f_256c_1e0d_95dc_d197,
    ),
    sample(
        [
            "secret.azure-storage-key",
            "account key of the storage emulator",
            "https://learn.microsoft.com/azure/storage/common/storage-connect-azurite",
        ],
        88,
        0x0011_cc25_eb43_2071_7494_d270_3e8c_ba85,
    ),
    sample(
        [
            "secret.azure-storage-key",
            "account key of the Cosmos DB emulator",
            "https://learn.microsoft.com/azure/cosmos-db/emulator",
        ],
        88,
        0xaa65_4743_9583_c3a2_75d4_542a_0df6_c1ad,
    ),
    sample(
        [
            "secret.recaptcha-secret",
            "test secret of reCAPTCHA, which lets everybody through",
            "https://developers.google.com/recaptcha/docs/faq",
        ],
        40,
        0xf5e9_5c99_5463_5b65_acab_57e6_d5ea_663e,
    ),
    sample(
        [
            "secret.basic-auth",
            "example of RFC 7617",
            "https://www.rfc-editor.org/rfc/rfc7617#section-2",
        ],
        28,
        0xcf4d_418e_d3de_92d7_1f76_7db5_391d_5a2d,
    ),
    sample(
        [
            "secret.basic-auth",
            "example of RFC 6749",
            "https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1",
        ],
        28,
        0xca74_59e2_b267_76de_081b_9a07_e402_27fd,
    ),
];

/// The samples that are excused, each with the page that publishes it.
///
/// ```
/// # use bartizan_inspect::published_samples;
/// assert!(published_samples().iter().any(|sample| sample.kind == "secret.aws-secret-key"));
/// ```
pub fn published_samples() -> &'static [PublishedSample] {
    &SAMPLES
}

/// What a rule said of a place, where what it found is no sample.
pub(super) fn excused(text: Text<'_>, answer: Answer) -> Answer {
    match answer {
        // Nor is anything inside of it a finding.
        Ok(hit) if !hit.goes_on && is_published(text.slice(hit.start, hit.end)) => {
            Err(Stop::NoUntil(hit.end))
        }
        answer => answer,
    }
}

/// Whether these bytes are a sample.
fn is_published(bytes: &[u8]) -> bool {
    // A digest is computed only of what has the length of one.
    if !SAMPLES.iter().any(|sample| sample.n_bytes == bytes.len()) {
        return false;
    }
    let digest = sha_256(bytes).first_chunk().map_or(0, |head| u128::from_be_bytes(*head));
    SAMPLES.iter().any(|sample| sample.n_bytes == bytes.len() && sample.digest == digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In pieces, so that no file of ours looks like a leak; in the order of the table.
    const TEXTS: [&[&str]; 16] = [
        &["AK", "IAIOSFODNN7EXAMPLE"],
        &["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"],
        &["AS", "IAIOSFODNN7EXAMPLE"],
        &["AK", "IAI44QH8DHBEXAMPLE"],
        &["je7MtGbClwBF/2Zp9Utk", "/h3yCo8nvbEXAMPLEKEY"],
        &["sk", "_test_4eC39HqLyjWDarjtT1zdp7dc"],
        &["sk", "_test_BQokikJOvBiI2HlWgH4olfQ2"],
        &["gh", "u_16C7e42F292c6912E7710c838347Ae178B4a"],
        &["gh", "o_16C7e42F292c6912E7710c838347Ae178B4a"],
        &[
            "ey",
            "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ",
            ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
        ],
        &[
            "ey",
            "J0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ],
        &[
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4",
            "I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        ],
        &[
            "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8",
            "mGGyPMbIZnqyMsEcaGQy67XIw/Jw==",
        ],
        &["6LeIxAcTAAAAAGG-", "vFI1TnRWxMZNFuojJ4WifJWe"],
        &["QWxhZGRpbjpvcGVu", "IHNlc2FtZQ=="],
        &["czZCaGRSa3F0Mzpn", "WDFmQmF0M2JW"],
    ];

    #[test]
    fn the_digests_are_those_of_the_samples() {
        for (sample, pieces) in SAMPLES.iter().zip(TEXTS) {
            let text = pieces.concat();
            assert_eq!(text.len(), sample.n_bytes, "{}", sample.title);
            assert!(is_published(text.as_bytes()), "{}", sample.title);
            assert!(sample.page.starts_with("https://"), "{}", sample.title);
            let is_kind = |info: &bartizan_core::kind::KindInfo| info.name == sample.kind;
            assert!(crate::KINDS.iter().any(is_kind), "{}", sample.kind);
        }
    }

    #[test]
    fn what_is_not_exactly_a_sample_is_none() {
        for pieces in TEXTS {
            let text = pieces.concat();
            for changed in [
                [&text, "A"].concat(),
                ["A", &text].concat(),
                text.to_lowercase(),
                text.get(1..).unwrap_or_default().to_owned(),
                text.chars().rev().collect(),
            ] {
                assert!(!is_published(changed.as_bytes()), "{changed}");
            }
        }
        assert!(!is_published(b""));
    }
}
