use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_inspect::*;
use std::time::Instant;
fn main() {
    let unit = std::env::args().nth(1).unwrap();
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let text = unit.repeat(n);
    let i = TextInspector::new();
    let mut count = std::collections::BTreeMap::new();
    let mut k = 0;
    let t = Instant::now();
    i.scan(Source::Model, text.as_bytes(), &mut |f| {
        *count.entry(f.detector).or_insert(0) += 1;
        k += 1;
        if k < 10 {
            println!(
                "{f:?} {:?}",
                String::from_utf8_lossy(
                    &text.as_bytes()[f.span.start as usize..f.span.end as usize]
                )
            );
        }
    });
    println!("{:?} {} bytes {:?}", t.elapsed(), text.len(), count);
}
