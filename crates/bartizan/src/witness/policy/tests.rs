use super::*;

#[test]
fn lines_are_found() {
    let text = "# a\nlog k u\n  witness\tw2 k\nwitness w1 k u\nquorum w1";
    let shown = |span: Range<usize>| text.get(span).unwrap();
    for (line, want) in [(1, "# a"), (2, "log k u"), (5, "quorum w1"), (6, ""), (0, "")] {
        assert_eq!(shown(line_span(text, line)), want, "line {line}");
    }
    for (words, want) in [
        (&["quorum"][..], "quorum w1"),
        (&["witness", "w1"], "witness w1 k u"),
        (&["witness", "w2"], "  witness\tw2 k"),
        (&["witness", "w3"], ""),
        (&[], "# a"),
    ] {
        assert_eq!(shown(find(text, words)), want, "{words:?}");
    }
}
