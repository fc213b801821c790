#![allow(missing_docs)]
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_inspect::*;
fn main() {
    for text in std::env::args().skip(1) {
        println!("{text}");
        TextInspector::new().scan(Source::User, text.as_bytes(), &mut |f| {
            println!(
                "   {f:?} {:?}",
                String::from_utf8_lossy(
                    &text.as_bytes()[f.span.start as usize..f.span.end as usize]
                )
            )
        });
    }
}
