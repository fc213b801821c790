use bartizan_core::detect::Inspector;
use bartizan_core::kind::*;
use bartizan_inspect::*;
fn main(){
 let t = std::env::args().nth(1).unwrap(); 
 let c = Catalogue::new(&KINDS); let names=["pii.card", "pii.iban", "pii.us-ssn"];
 let set: KindSet = c.iter().filter(|(_,i)| i.name.starts_with("secret.")||names.contains(&i.name)).map(|(k,_)|k).collect();
 let mut d = TextInspector::new().detector(); let mut n=0;
 for ch in t.as_bytes().chunks(1) { d.push(ch,&mut |_|{}); n+=1; let p=d.pending(&set) as usize; if p<n { println!("{:?} holds {:?}", &t[n.saturating_sub(20)..n], &t[p..n]); } }
}
