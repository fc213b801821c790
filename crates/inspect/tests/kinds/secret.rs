//! Keys and tokens.
use crate::check;
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_inspect::TextInspector;

/// Tokens are put together here, so that no file of ours looks like a leak.
fn token(parts: &[&str]) -> String {
    parts.concat()
}

/// Whatever is glued before a mark that is enough by itself; what is found begins after it.
#[test]
fn tokens_that_something_is_glued_to() {
    let (body, long) = ("aB3dE5fG7hJ9kL1mN3pQ", "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1zA3bC5dE7fG9");
    let both = "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi";
    let key = "secret.aws-access-key";
    let cases: Vec<(&str, String)> = vec![
        (key, token(&["xAK", "IA⟦Q3EGRZ7NWX2LPD5T⟧ 7AS", "IA⟦Q3EGRZ7NWX2LPD5T⟧."])),
        (key, token(&["AK", "IAQAK", "IA⟦Q3EGRZ7NWX2LPD5T⟧"])),
        (key, token(&["xAK", "IAIOSFODNN7EXAMPLE is published"])),
        (
            key,
            token(&[
                "xAK",
                "IAQ3EGRZ7NWX2LPD51 xAK",
                "IA0000000000000000 xak",
                "iaq3egrz7nwx2lpd5t",
            ]),
        ),
        ("secret.github-token", token(&["xgh", "p_⟦zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17⟧"])),
        ("secret.github-token", token(&["xgh", "p\\_⟦zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17⟧"])),
        ("secret.github-token", token(&["xgh", "p_is_no_token_but_a_long_name_of_something_else"])),
        (
            "secret.gitlab-token",
            token(&["xgl", "pat-⟦", body, "⟧ xgl", "pat-of-the-words-that-are-none"]),
        ),
        (
            "secret.slack-token",
            token(&["xxo", "xb-⟦123456789012-", body, "⟧ xxo", "xb-not-a-token-at-all"]),
        ),
        ("secret.google-api-key", token(&["xAI", "za⟦SyA1b2C3d4E5f6G7h8I9j0KaLbMcNdOePfQ⟧"])),
        ("secret.google-api-key", token(&["xAI", "zaA1b2C3d4E5f6G7h8I9j0KaLbMcNdOePfQ1b2C3d4"])),
        (
            "secret.openai-key",
            token(&["keysk", "-proj-⟦", long, "⟧ task", "-proj-review-of-the-budget-2023"]),
        ),
        (
            "secret.openai-key",
            token(&["task", "-service-worker-7d9f8b6c5d-x2k4j disk-admin-", "0a1b2c3d-4e5f"]),
        ),
        ("secret.anthropic-key", token(&["xsk", "-ant-⟦api03-", long, "⟧"])),
        (
            "secret.huggingface-token",
            token(&["xhf", "_⟦", both, "⟧ xhf_", "abcdefghijklmnopqrstuvwxyzabcdefgh"]),
        ),
        ("secret.stripe-key", token(&["xsk", "_live_⟦", long, "⟧"])),
        (
            "secret.jwt",
            token(&[
                "xey",
                "JhbGci⟦OiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVXZyM0u2Q⟧",
            ]),
        ),
        (
            "secret.jwt",
            token(&[
                "xey",
                "JhbGciOiJIUzI1NiJ9 xey",
                "JhbGciOiJIUzI1NiJ9.x xey",
                "J0eXAixxxxxxxxxxx.eyJzdWIiOiIx",
            ]),
        ),
        ("secret.npm-token", token(&["xnp", "m_⟦aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1zA3b⟧"])),
        // a row of one letter is no token, however long
        ("secret.twitter-bearer", "A".repeat(300)),
        ("secret.groq-key", token(&["xgs", "k_⟦", long, "aB3dE5fG⟧ task_", long, "aB3dE5fG"])),
    ];
    for (kind, text) in cases {
        check(kind, &text);
    }
}

#[test]
fn tokens() {
    let (body, long) = ("aB3dE5fG7hJ9kL1mN3pQ", "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1zA3bC5dE7fG9");
    let cases: Vec<(&str, String)> = vec![
        ("secret.aws-access-key", token(&["id=⟦AK", "IAQ3EGRZ7NWX2LPD5T⟧"])),
        (
            "secret.aws-access-key",
            token(&["⟦AS", "IAQ3EGRZ7NWX2LPD5T⟧ and AKI", "AQ3EGRZ7NWX2LPD5"]),
        ),
        (
            "secret.aws-access-key",
            token(&[
                "xAK",
                "IAQ3EGRZ7NWX2LPD5, AK",
                "IAQ3EGRZ7NWX2LPD5TX, AK",
                "IAQ3EGRZ7NWX2LPD51, ak",
                "iaq3egrz7nwx2lpd5t",
            ]),
        ),
        ("secret.github-token", token(&["⟦gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17⟧"])),
        ("secret.github-token", token(&["\\n⟦gh", "s_", long, "⟧."])),
        ("secret.github-token", token(&["⟦github", "_pat_", body, body, "_", long, "⟧"])),
        (
            "secret.github-token",
            token(&["gh", "p_", body, " my", "gh", "p_⟦", long, "⟧ ghx_", long, " GHP_", long]),
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
            token(&["aws_secret_access_key = ⟦kT7wQx2LpZ9vRb4NcY8mH", "/sD3fG6jK1zXnB5vA0e⟧"]),
        ),
        (
            "secret.aws-secret-key",
            token(&["AK", "IAQ3EGRZ7NWX2LPD5T,⟦kT7wQx2LpZ9vRb4NcY8mH", "/sD3fG6jK1zXnB5vA0e⟧\n"]),
        ),
        (
            "secret.aws-secret-key",
            token(&["\"SecretAccessKey\": \"⟦kT7wQx2LpZ9vRb4NcY8mH", "/sD3fG6jK1zXnB5vA0e⟧\""]),
        ),
        ("secret.aws-secret-key", token(&["kT7wQx2LpZ9vRb4NcY8mH", "/sD3fG6jK1zXnB5vA0e"])),
        (
            "secret.aws-secret-key",
            token(&[
                "aws sha da39a3ee5e6b4b0d3255bfef95601890afd80709 and ",
                "kT7wQx2LpZ9vRb4NcY8mH",
                "/sD3fG6jK1zXnB5vA0exx",
            ]),
        ),
        (
            "secret.aws-secret-key",
            token(&[
                "aws ",
                &"far away from here, ".repeat(4),
                "kT7wQx2LpZ9vRb4NcY8mH",
                "/sD3fG6jK1zXnB5vA0e",
            ]),
        ),
    ];
    for (kind, marked) in &cases {
        check(kind, marked);
    }
}

/// Exactly what a page publishes is excused, wherever it stands; anything more is a key.
#[test]
fn published_samples_are_excused_and_nothing_else() {
    let key = token(&["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"]);
    let id = token(&["AK", "IAIOSFODNN7EXAMPLE"]);
    let stripe = token(&["sk", "_test_4eC39HqLyjWDarjtT1zdp7dc"]);
    let mine = "kT7wQx2LpZ9vRb4NcY8mH/sD3fG6jK1zXnB5vA0e";
    let cases = [
        ("secret.aws-secret-key", format!("aws_secret_access_key = {key}\n")),
        ("secret.generic-key", format!("my secret: \"{key}\"")),
        ("secret.password", format!("password = \"{key}\"")),
        ("secret.aws-access-key", format!("aws_access_key_id={id} and {id}")),
        ("secret.stripe-key", format!("curl -u {stripe}: https://api.example.org")),
        ("secret.stripe-key", format!("stripe.api_key = '⟦{stripe}a⟧'")),
        ("secret.stripe-key", format!("EXAMPLE ⟦{}⟧ EXAMPLE", stripe.replace("4eC", "4eD"))),
        ("secret.aws-access-key", format!("EXAMPLE: ⟦{}⟧", id.replace("NN7", "NN6"))),
        ("secret.aws-secret-key", format!("aws EXAMPLE secret key = ⟦{mine}⟧ # EXAMPLE")),
    ];
    for (kind, marked) in &cases {
        check(kind, marked);
    }
    assert!(bartizan_inspect::published_samples().len() >= 16);
}

/// What is glued to a token of fixed length, or stands after an escape or an underscore, is found as well.
#[test]
fn tokens_begin_after_tokens_and_escapes() {
    let body = "aB3dE5fG7hJ9kL1mN3pQ";
    let github = token(&["gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"]);
    let face = token(&["h", "f_", "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1zA"]);
    let google = token(&["AI", "zaSyA1b2C3d4E5f6G7h8I9j0KaLbMcNdOePfQ"]);
    let gitlab = token(&["gl", "pat-", body]);
    let id = token(&["AK", "IAQ3EGRZ7NWX2LPD5T"]);
    let key = token(&["⟦sk", "-ant-api03-", body, "⟧"]);
    let glued = token(&["sk", "-ant-⟦api03-", body, "⟧"]);
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
        // after what is no token, no escape, or not long enough, without the mark
        (anthropic, token(&[github.trim_end_matches('7'), &glued])),
        (anthropic, token(&["x", github.trim_start_matches('g'), &glued])),
        (anthropic, token(&["from", &glued, " %G1", &glued, " u0022", &glued, " 32m", &glued])),
        (anthropic, token(&[&id, "x", &glued])),
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
            .scan(Source::Model, text.as_bytes(), &mut |finding| ids.push(finding.detector));
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

/// What words announce, in the ways in which people write it; what looks alike and is none.
#[test]
fn values_that_words_announce() {
    let value = token(&["q7Rk2mXw9p", "Lz4vBt8nYc"]);
    let hex = token(&["b5b1f6d3c9e84a7d", "92f0c1e2d3a4b5c6"]);
    let uuid = "123e4567-e89b-12d3-a456-426614174000";
    let mark =
        |text: &str| text.replace("V!", &format!("⟦{value}⟧")).replace("H!", &format!("⟦{hex}⟧"));
    let found = [
        "api_key = \"V!\"",
        "{\"secretToken\": \"V!\"}",
        "API_KEY=V!",
        "- name: token\n  value: x\nsecret: V!",
        "Authorization: Bearer V!",
        "tool --token V! --verbose",
        "<apiKey>V!</apiKey>",
        "<add key=\"ApiKey\" value=\"V!\"/>",
        "https://example.org/?access_token=V!&x=1",
        "my token - 'V!'",
        "keys = [\"V!\", \"H!\"]",
        "Your KEY is V!, keep it.",
        "const Key{\n  \"V!\"};",
        "secret_key: H!",
        "export TOKEN='H!'",
    ];
    for text in found {
        check("secret.generic-key", &mark(text));
    }
    let bare = |text: &str| text.replace("V!", &value).replace("H!", &hex).replace("U!", uuid);
    let left = [
        "id = \"V!\"",
        "commit H!",
        "sha256: H!",
        "public_key = \"V!\"",
        "md5_key = \"H!\"",
        "access_key_id: V!",
        "keyboard = \"V!\"",
        "the key to this was found by V!",
        "token V!(x)",
        "token = V!@example.org",
        "api_key = \"your-api-key-goes-here-123\"",
        "api_key = get_the_key_from_settings_2()",
        "api_key = \"${API_KEY_FROM_ENVIRONMENT_1}\"",
        "tokenUrl: https://example.org/oauth2/v2.0/token",
        "about keys in the data\n = 'V!'",
        "request U!",
        "cache_key = \"U!\"",
        "key = \"1234567890123456\"",
        "max_tokens: 4096, tokens: 12345678901234567890",
    ];
    for text in left {
        check("secret.generic-key", &bare(text));
    }
}

#[test]
fn a_vendors_name_near_a_value_says_whose_it_is() {
    let hex = token(&["b5b1f6d3c9e84a7d", "92f0c1e2d3a4b5c6"]);
    let cases = [
        ("secret.datadog-key", format!("DD_API_KEY=⟦{hex}⟧")),
        ("secret.datadog-key", format!("datadog: '⟦{hex}⟧'")),
        ("secret.algolia-key", format!("ALGOLIA_ADMIN_KEY: ⟦{hex}⟧")),
        ("secret.algolia-key", format!("algolia {hex} algolia = {hex}0")),
        ("secret.datadog-key", format!("datadoghash = {hex}x")),
        ("secret.heroku-key", "heroku_key: ⟦123e4567-e89b-12d3-a456-426614174000⟧".to_owned()),
        ("secret.heroku-key", "heroku 123e4567-e89b-12d3-a456-426614174000".to_owned()),
    ];
    for (kind, marked) in &cases {
        check(kind, marked);
    }
}

#[test]
fn passwords() {
    for marked in [
        "password = \"⟦h0rse-Battery!⟧\"",
        "\"db_password\": \"⟦h0rse-Battery!⟧\"",
        "PWD=⟦h0rse-Battery⟧;Server=x",
        "tool --password ⟦h0rse-Battery⟧ -v",
        "if (secret == \"⟦a{b}c)d$e#f⟧\")",
        "passphrase: ⟦h0rse-Battery⟧",
        "password = \"correct\" password: string; password: str = None",
        "password = getPassword1() password = config.password1 password=$PASSWORD1",
        "password = \"${DB_PASSWORD_1}\" password = \"<your-password-1>\" password: ********1",
        "password_hash = \"h0rse-Battery!\" passwordResetUrl = \"h0rse1\" password_file=/run/secret1",
        "passenger = \"h0rse-Battery!\" compass = \"h0rse1\" secretary: \"h0rse1\"",
        "Enter your password: 8 to 64 letters. The password is a secret.",
    ] {
        check("secret.password", marked);
    }
}

#[test]
fn passwords_in_addresses() {
    for (kind, marked) in [
        ("secret.database-password", "postgres://jo:⟦h0rse⟧@db.example.org:5432/app"),
        ("secret.database-password", "mongodb+srv://jo:⟦h0rse%21⟧@cluster0.example.org/?x=1"),
        ("secret.database-password", "redis://:⟦h0rse⟧@localhost:6379"),
        ("secret.url-password", "git clone https://jo:⟦h0rse⟧@example.org/x.git"),
        ("secret.url-password", "https://example.org:8080/@x https://jo@example.org ://a:bcd@e"),
        ("secret.url-password", "https://jo:${PASSWORD}@example.org https://jo:***@example.org"),
        (
            "secret.database-password",
            "postgres://jo:{password}@db postgres://db.example.org:5432/a@b",
        ),
    ] {
        check(kind, marked);
    }
}

fn first(text: &str, n: usize) -> &str {
    text.get(..n).expect("the text is long enough")
}

#[test]
fn tokens_of_vendors_end_where_they_end() {
    let (hex, mixed) =
        ("b5b1f6d3c9e84a7d92f0c1e2d3a4b5c6", "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1zA3bC5dE7fG9hJ1kL3m");
    let cases = [
        ("secret.digitalocean-token", token(&["⟦dop", "_v1_", hex, hex, "⟧."])),
        ("secret.digitalocean-token", token(&["dop", "_v1_", hex, hex, "0 dop", "_v1_", hex])),
        ("secret.shopify-token", token(&["⟦shp", "at_", hex, "⟧ \\n⟦shp", "ss_", hex, "⟧"])),
        ("secret.shopify-token", token(&["xshp", "at_⟦", hex, "⟧ shp", "xx_", hex])),
        ("secret.sendgrid-key", token(&["⟦SG", ".", first(mixed, 22), ".", first(mixed, 43), "⟧"])),
        ("secret.sendgrid-key", token(&["SG", ".", first(mixed, 22), "-", first(mixed, 43)])),
        (
            "secret.telegram-token",
            token(&["bot12345678:⟦AA", first(mixed, 33), "⟧ 12345678:⟦AA", first(mixed, 33), "⟧"])
                .replacen("bot", "/bot", 1),
        ),
        (
            "secret.telegram-token",
            token(&["foo:AA", first(mixed, 33), " 12345678:AA", first(mixed, 32)]),
        ),
        (
            "secret.discord-token",
            token(&["bot ⟦MTk4NjIyNDgz", "NDcxOTI1MjQ4.Cl2FMQ.", first(mixed, 27), "⟧, done"]),
        ),
        (
            "secret.discord-token",
            token(&["xMTk4NjIyNDgz", "NDcxOTI1MjQ4.Cl2FMQ.", first(mixed, 27)]),
        ),
        (
            "secret.discord-token",
            token(&[
                "MTk4NjIyNDgz",
                "NDcxOTI1MjQ4.Cl2FMQ7.",
                first(mixed, 27),
                " MTk4.a.b Monday1.2.3",
            ]),
        ),
        ("secret.azure-client-secret", token(&["abc⟦8", "Q~", first(mixed, 34), "⟧"])),
        (
            "secret.azure-client-secret",
            token(&["abcd8", "Q~", first(mixed, 34), " bc8", "Q~", first(mixed, 34)]),
        ),
        (
            "secret.adafruit-key",
            token(&["⟦aio", "\\_", first(mixed, 28), "⟧ ⟦aio", "_", first(mixed, 28), "⟧"]),
        ),
        ("secret.basic-auth", token(&["Authorization: Basic ⟦am86aDByc2U", "tQmF0dGVyeQ==⟧"])),
        ("secret.basic-auth", "Basic knowledge1of2things3 Basic aGVsbG8gd29ybGQgMTIz".to_owned()),
    ];
    for (kind, marked) in &cases {
        check(kind, marked);
    }
}

/// Passwords in lines of other programs' own form.
#[test]
fn passwords_in_lines() {
    let (command, database, password) =
        ("secret.command-password", "secret.database-password", "secret.password");
    let cases = [
        (command, "curl -u jo:⟦h0rse-Battery⟧ https://api.example.org/x"),
        (command, "$ curl -s --user \"jo:⟦correct horse⟧\" -X POST https://x.example"),
        (command, "wget --user='jo:⟦h0rse⟧' x"),
        (command, "curl -u \"$USER:$PASS\" x, curl -u jo: x, curl -u jo:password x, curl -u jo x"),
        (command, "sudo -u postgres:x123 y; ps -u jo:h0rse-Battery"),
        (command, "curl https://x.example\nps -u jo:h0rse-Battery"),
        (command, "curl -u \"jo:h0rse-Battery"),
        (database, "localhost:5432:mydb:jo:⟦h0rse-Battery⟧\n*:5432:*:jo:⟦h:x9z⟧"),
        (database, "127.0.0.1:5432:5432 x, db:5432:mydb:jo:, y:5432:my db:jo:abcdef"),
        (database, "jdbc:oracle:thin:scott/⟦tiger1⟧@//db.example:1521/x"),
        (database, "jdbc:oracle:thin:@//db.example:1521/x, jdbc:oracle:thin:scott/${PASS}@x"),
        (password, "machine api.example.com login jo password ⟦horse-battery⟧\n"),
        (password, "default\n  login jo\n  password ⟦horsebattery⟧"),
        (password, "the login page has a password field, and a password manager"),
        (password, "jdbc:mysql://db/x?user=jo&password=⟦horsebattery⟧"),
        (password, "jdbc:sqlserver://h:1433;databaseName=x;user=sa;password=⟦Horse!Battery⟧;x=y"),
        (password, "Server=tcp:x.example;User ID=jo;Password=⟦HorseBattery⟧;"),
        (password, "jdbc:mysql://db/x?user=jo&password=${PASS}&x, ?password=true"),
    ];
    for (kind, marked) in cases {
        check(kind, marked);
    }
}

/// The private half of a `PuTTY` key, in whichever version.
#[test]
fn putty_keys() {
    let line = "AAAAgQCuJ1zYwKqGm3XfLp0RtVnB7sDhE2oQ5uIcW9kT8yA4M6jZgNbP1lFxHrSv";
    let cases = [
        format!(
            "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPublic-Lines: 1\n{line}\n⟦Private-Lines: 2\n{line}\nQ1w2E3==⟧\nPrivate-MAC: 00"
        ),
        format!("⟦Private-Lines: 1\r\n{line}⟧\r\nPrivate-MAC: 00"),
        "Private-Lines: 14\nof text, Private-Lines: none, Private-Lines: 0\n".to_owned(),
        format!("Private-Lines: 1 {line}"),
    ];
    for marked in &cases {
        check("secret.private-key", marked);
    }
}
