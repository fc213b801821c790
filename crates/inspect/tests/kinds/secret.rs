//! Keys and tokens.
use crate::check;
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_inspect::TextInspector;

/// Tokens are put together here, so that no file of ours looks like a leak.
fn token(parts: &[&str]) -> String {
    parts.concat()
}

#[test]
fn tokens() {
    let (body, long) = ("aB3dE5fG7hJ9kL1mN3pQ", "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1zA3bC5dE7fG9");
    let cases: Vec<(&str, String)> = vec![
        ("secret.aws-access-key", token(&["id=⟦AK", "IAIOSFODNN7EXAMPLE⟧"])),
        (
            "secret.aws-access-key",
            token(&["⟦AS", "IAIOSFODNN7EXAMPLE⟧ and AKI", "AIOSFODNN7EXAMPL"]),
        ),
        (
            "secret.aws-access-key",
            token(&[
                "xAK",
                "IAIOSFODNN7EXAMPLE, AK",
                "IAIOSFODNN7EXAMPLEX, AK",
                "IAIOSFODNN7EXAMPL1, ak",
                "iaiosfodnn7example",
            ]),
        ),
        ("secret.github-token", token(&["⟦gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17⟧"])),
        ("secret.github-token", token(&["\\n⟦gh", "s_", long, "⟧."])),
        ("secret.github-token", token(&["⟦github", "_pat_", body, body, "_", long, "⟧"])),
        (
            "secret.github-token",
            token(&["gh", "p_", body, " my", "gh", "p_", long, " ghx_", long, " GHP_", long]),
        ),
        (
            "secret.gitlab-token",
            token(&[
                "⟦gl",
                "pat-",
                body,
                "⟧. ⟦gl",
                "rt-t1_",
                body,
                "⟧ ",
                "⟦GR1",
                "348941",
                body,
                "⟧",
            ]),
        ),
        ("secret.gitlab-token", token(&["gl", "pat-short glpat glpat-", "aB3 glxx-", body])),
        (
            "secret.slack-token",
            token(&["⟦xo", "xb-123456789012-", body, "⟧ ⟦xa", "pp-1-A0-", body, "⟧"]),
        ),
        (
            "secret.slack-token",
            token(&["xo", "xb-not-a-token-at-all xox", "z-123456789012-", body, " xoxb-"]),
        ),
        (
            "secret.slack-webhook",
            token(&["⟦https://hooks", ".slack.com/services/T00000000/B00000000/", body, "⟧"]),
        ),
        (
            "secret.slack-webhook",
            token(&["https://hooks", ".slack.com/services/ https://slack.com/services/", body]),
        ),
        (
            "secret.stripe-key",
            token(&["⟦sk", "_live_", body, "⟧, ⟦rk", "_test_", body, "⟧ ⟦wh", "sec_", long, "⟧"]),
        ),
        (
            "secret.stripe-key",
            token(&[
                "pk",
                "_live_",
                body,
                " sk",
                "_live_short task",
                "_live_",
                body,
                " risk_test_results_of_may",
            ]),
        ),
        ("secret.google-api-key", token(&["key=⟦AI", "zaSyA1b2C3d4E5f6G7h8I9j0KaLbMcNdOePfQ⟧&x"])),
        ("secret.google-api-key", token(&["AI", "zaSyA1b2C3d4 Aizawa"])),
        (
            "secret.google-oauth",
            token(&["⟦ya", "29.", body, "-x⟧ ⟦GOC", "SPX-", body, "12345678⟧"]),
        ),
        ("secret.google-oauth", token(&["ya", "29.short GOC", "SPX http://0 1//0abc"])),
        (
            "secret.openai-key",
            token(&["⟦sk", "-", long, "⟧ ⟦sk", "-proj-", body, "⟧ ⟦sk", "-svcacct-", body, "⟧"]),
        ),
        (
            "secret.openai-key",
            token(&[
                "sk",
                "-ant-",
                long,
                " sk-learn-toggleable-content-label task",
                "-",
                long,
                " sk-",
                "aaaaaaaaaaaaaaaaaaa",
            ]),
        ),
        ("secret.anthropic-key", token(&["⟦sk", "-ant-api03-", long, "⟧"])),
        ("secret.anthropic-key", token(&["sk", "-ant-short sk", "-", long])),
        ("secret.huggingface-token", token(&["⟦hf", "_", long, "⟧ ⟦api", "_org_", long, "⟧"])),
        (
            "secret.huggingface-token",
            token(&[
                "hf",
                "_hub_download_from_somewhere_else_please shf",
                "_",
                long,
                " hf",
                "_",
                body,
            ]),
        ),
        (
            "secret.jwt",
            token(&["Bearer ⟦ey", "JhbGciOiJIUzI1NiJ9.ey", "JzdWIiOiIxIn0.", body, "⟧."]),
        ),
        ("secret.jwt", token(&["⟦ey", "JhbGciOiJub25lIn0.ey", "JzdWIiOiIxIn0.⟧"])),
        (
            "secret.jwt",
            token(&[
                "ey",
                "JhbGciOiJIUzI1NiJ9 ey",
                "JzdWIiOiIxIn0.ey",
                "JzdWIiOiIxIn0.",
                body,
                " ey",
                "JhbGciOiJIUzI1NiJ9.x.y eyJ. ey",
                "JhbGciOiJIUzI1NiJ9.ey",
                "JzdWIi",
            ]),
        ),
        (
            "secret.aws-secret-key",
            token(&["aws_secret_access_key = ⟦wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY⟧"]),
        ),
        (
            "secret.aws-secret-key",
            token(&["AK", "IAIOSFODNN7EXAMPLE,⟦wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY⟧\n"]),
        ),
        (
            "secret.aws-secret-key",
            token(&["\"SecretAccessKey\": \"⟦wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY⟧\""]),
        ),
        ("secret.aws-secret-key", token(&["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"])),
        (
            "secret.aws-secret-key",
            token(&[
                "aws sha da39a3ee5e6b4b0d3255bfef95601890afd80709 and ",
                "wJalrXUtnFEMI/K7MDENG",
                "/bPxRfiCYEXAMPLEKEYxx",
            ]),
        ),
        (
            "secret.aws-secret-key",
            token(&[
                "aws ",
                &"far away from here, ".repeat(4),
                "wJalrXUtnFEMI/K7MDENG",
                "/bPxRfiCYEXAMPLEKEY",
            ]),
        ),
    ];
    for (kind, marked) in &cases {
        check(kind, marked);
    }
}

/// What is glued to a token of fixed length, or stands after an escape or an underscore, is found as well.
#[test]
fn tokens_begin_after_tokens_and_escapes() {
    let body = "aB3dE5fG7hJ9kL1mN3pQ";
    let github = token(&["gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"]);
    let face = token(&["h", "f_", "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1zA"]);
    let google = token(&["AI", "zaSyA1b2C3d4E5f6G7h8I9j0KaLbMcNdOePfQ"]);
    let gitlab = token(&["gl", "pat-", body]);
    let id = token(&["AK", "IAIOSFODNN7EXAMPLE"]);
    let key = token(&["⟦sk", "-ant-api03-", body, "⟧"]);
    let bare = key.replace(['⟦', '⟧'], "");
    let hook = token(&["⟦https://hooks", ".slack.com/services/T00000000/B00000000/", body, "⟧"]);
    let (anthropic, oauth) = ("secret.anthropic-key", "secret.google-oauth");
    let cases = [
        (anthropic, token(&[&github, &key])),
        (anthropic, token(&[&face, &key])),
        (anthropic, token(&[&id, &key])),
        ("secret.github-token", token(&["⟦", &github, "sk⟧-ant-api03-", body])),
        (oauth, token(&[&google, "⟦ya", "29.", body, "⟧"])),
        (oauth, token(&["⟦1/", "/0-", body, body, "ya", "29.", body, "⟧."])),
        (oauth, token(&["⟦GOC", "SPX-", body, ".ya", "29.", body, "⟧"])),
        (oauth, token(&["GOC", "SPX-short ⟦ya", "29.", body, "⟧"])),
        ("secret.gitlab-token", token(&["⟦GR1", "348941", body, ".gl", "pat-", body, "⟧"])),
        ("secret.slack-token", token(&["⟦xa", "pp-1-A0-", body, "%2F", body, "/+x⟧"])),
        ("secret.slack-webhook", token(&[&gitlab, &hook])),
        ("secret.aws-access-key", token(&["⟦", &id, &id, "⟧"])),
        ("secret.aws-access-key", token(&["⟦", &id, "⟧sk-ant-api03-", body])),
        // a prefix of a narrow class hides none of a wider one
        ("secret.stripe-key", token(&["rk", "_live_wh", "sec_", body])),
        ("secret.stripe-key", token(&["rk", "_live_⟦wh", "sec_", body, "+/+/⟧"])),
        // escapes, underscores, colours of terminals
        (anthropic, token(&["key%3D", &key, "%22"])),
        (anthropic, token(&["\\u0022", &key, "\\u0022"])),
        (anthropic, token(&["\\x22", &key])),
        (anthropic, token(&["\u{1b}[32m", &key, "\u{1b}[0m"])),
        (anthropic, token(&["\\x1b[1;31m", &key])),
        (anthropic, token(&["KEY_", &key, " __", &key])),
        ("secret.stripe-key", token(&["⟦sk", "\\_live\\_", body, "⟧ sk", "\\-live\\-", body])),
        ("secret.github-token", token(&["⟦gh", "p\\", github.trim_start_matches("ghp"), "⟧"])),
        ("secret.huggingface-token", token(&["⟦h", "f\\", face.trim_start_matches("hf"), "⟧"])),
        // what is no token, no escape, or not long enough
        (anthropic, token(&[github.trim_end_matches('7'), &bare])),
        (anthropic, token(&["x", github.trim_start_matches('g'), &bare])),
        (anthropic, token(&["from", &bare, " %G1", &bare, " u0022", &bare, " 32m", &bare])),
        (anthropic, token(&[&id, "x", &bare])),
    ];
    for (kind, marked) in &cases {
        check(kind, marked);
    }
}

#[test]
fn a_right_checksum_is_said() {
    let ids = |text: &str| {
        let mut ids = Vec::new();
        TextInspector::new()
            .scan(Source::User, text.as_bytes(), &mut |finding| ids.push(finding.detector));
        ids
    };
    let random = token(&["gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"]);
    assert_eq!(ids(&token(&[&random, "0mLq17"])), ["secret.github-token.checksum@1"]);
    assert_eq!(ids(&token(&[&random, "0mLq18"])), ["secret.github-token@1"]);
}

#[test]
fn private_keys() {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDB1234567890ab";
    for label in ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "] {
        let begin = token(&["-----BEGIN ", label, "PRIVATE KEY-----"]);
        let end = token(&["-----END ", label, "PRIVATE KEY-----"]);
        for join in ["\n", "\\n", "\r\n", " ", "\" +\n  \""] {
            check(
                "secret.private-key",
                &token(&[
                    "a ⟦", &begin, join, line, join, line, join, "short+==", join, &end, "⟧ b",
                ]),
            );
        }
        check(
            "secret.private-key",
            &token(&["⟦", &begin, "\n", line, "⟧ and then the text goes on"]),
        );
        check(
            "secret.private-key",
            &token(&["The file starts with ", &begin, " and ends with ", &end, "."]),
        );
        check("secret.private-key", &token(&[&begin, "\n...\n", &end]));
    }
    check(
        "secret.private-key",
        &token(&[
            "⟦-----BEGIN ",
            "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n",
            line,
            "\n-----END RSA PRIVATE KEY-----⟧",
        ]),
    );
    check(
        "secret.private-key",
        &token(&[
            "⟦-----BEGIN ",
            "PGP PRIVATE KEY BLOCK-----\nVersion: x 1\n\n",
            line,
            "\n=AbCd\n-----END PGP PRIVATE KEY BLOCK-----⟧",
        ]),
    );
    check(
        "secret.private-key",
        &token(&["-----BEGIN ", "PUBLIC KEY-----\n", line, "\n-----END PUBLIC KEY-----"]),
    );
    check(
        "secret.private-key",
        &token(&["-----BEGIN ", "CERTIFICATE-----\n", line, "\n-----END CERTIFICATE-----"]),
    );
    check("secret.private-key", &token(&["------⟦-----BEGIN ", "PRIVATE KEY-----", line, "⟧"]));
}
