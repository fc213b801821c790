use bartizan_core::detect::Inspector;
use bartizan_inspect::*;
fn main(){
 for t in [ "before ".to_string()+&"\u{e0041}".repeat(900)+" after", "before ".to_string()+&"\u{200b}".repeat(900)+" after"].into_iter().chain(std::env::args().skip(1)) {
  TextInspector::new().scan(t.as_bytes(), &mut |f| println!("{:?} {} {} {:?}", (f.span.start,f.span.end), f.detector, f.kind.index(), t.get(f.span.start as usize..f.span.end as usize).map(|s| s.chars().take(12).collect::<String>())));
  println!("--");
 }
}
