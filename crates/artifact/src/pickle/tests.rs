//! Tables of what pickles would do, and laws of the machine.
use super::*;
use proptest::prelude::*;

fn traced(bytes: &[u8], limits: Limits) -> (Trace, usize) {
    let mut machine = Machine::new(limits);
    let n_bytes = machine.push(bytes);
    (machine.finish(), n_bytes)
}

fn calls(bytes: &[u8]) -> Vec<String> {
    traced(bytes, Limits::default()).0.calls().map(|call| call.to_string()).collect()
}

fn end(bytes: &[u8]) -> End {
    traced(bytes, Limits::default()).0.end().0
}

#[test]
fn what_would_be_called_is_told() {
    for (name, bytes, want) in [
        ("global and reduce", b"cos\nsystem\n(S'id'\ntR.".as_slice(), "os.system('id')"),
        (
            "protocol 2",
            b"\x80\x02cposix\nsystem\nq\x00X\x02\x00\x00\x00idq\x01\x85q\x02Rq\x03.",
            "posix.system('id')",
        ),
        (
            "stack global",
            b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94.",
            "os.system('id')",
        ),
        ("instance", b"(S'id'\nios\nsystem\n.", "os.system('id')"),
        ("object", b"(cos\nsystem\nS'id'\no.", "os.system('id')"),
        ("object, dropped", b"(cos\nsystem\nS'id'\no0N.", "os.system('id')"),
        ("no arguments", b"cos\ngetcwd\n)R.", "os.getcwd()"),
        ("new", b"\x80\x02cm\nC\n)\x81.", "m.C.__new__()"),
        (
            "new, named",
            b"\x80\x04cm\nC\n)}X\x01\x00\x00\x00aK\x01s\x92.",
            "m.C.__new__(**{'a': 1})",
        ),
        ("by memo", b"(S'os'\np9\n0S'system'\np1\n0g9\ng1\n\x93(S'id'\ntR.", "os.system('id')"),
        (
            "memo out of order",
            b"\x8c\x02osq\x05\x8c\x06systemq\x030h\x05h\x03\x93\x8c\x02id\x85R.",
            "os.system('id')",
        ),
        (
            "chain",
            b"cbuiltins\ngetattr\n(cos\npath\nS'join'\ntR(S'a'\ntR.",
            "builtins.getattr(os.path, 'join') | builtins.getattr(os.path, 'join')('a')",
        ),
        (
            "state",
            b"\x80\x02cm\nC\n)\x81}X\x01\x00\x00\x00aK\x01sb.",
            "m.C.__new__() | m.C.__new__().__setstate__({'a': 1})",
        ),
        (
            "state of a name",
            b"cnumpy\nsize\n}X\x01\x00\x00\x00aK\x01sb.",
            "numpy.size.__setstate__({'a': 1})",
        ),
        ("appended to what is no list", b"cm\nL\n)RK\x01a.", "m.L() | m.L().append(1)"),
        (
            "items of what is no dictionary",
            b"cm\nD\n)RK\x01K\x02s.",
            "m.D() | m.D().__setitem__(1, 2)",
        ),
        ("added to what is no set", b"\x80\x04cm\nS\n)R(K\x01\x90.", "m.S() | m.S().add(1)"),
        ("list as arguments", b"cos\nsystem\n]S'id'\naR.", "os.system(*['id'])"),
        ("persistent", b"cm\nf\n(Pabc\ntR.", "m.f(persistent_load('abc'))"),
        ("extension", b"\x82\x07)R.", "extension(7)()"),
        ("buffer", b"cm\nf\n(\x97\x98tR.", "m.f(<buffer>)"),
        ("dropped mark", b"cos\nsystem\n(0(S'id'\ntR.", "os.system('id')"),
        ("truncated after the call", b"cos\nsystem\n(S'id'\ntR", "os.system('id')"),
        ("nonsense after the call", b"cos\nsystem\n(S'id'\ntR\xff", "os.system('id')"),
        ("escapes are written out", b"cm\nf\n(S'\x1b[31m'\ntR.", "m.f('\\u{1b}[31m')"),
        ("names too", "cm\nf\u{202e}\n)R.".as_bytes(), "m.f\\u{202e}()"),
        ("no calls", b"\x80\x04}\x8c\x01aK\x01s.", ""),
    ] {
        assert_eq!(calls(bytes).join(" | "), want, "{name}");
    }
}

#[test]
fn what_every_loader_stops_at_ends_the_stream() {
    use Opcode as O;
    for (name, bytes, want) in [
        ("stop", b"N.".as_slice(), End::Stop),
        ("nothing", b"", End::Truncated),
        ("no stop", b"N", End::Truncated),
        ("half an operand", b"\x80", End::Truncated),
        ("half a line", b"cos\nsys", End::Truncated),
        ("half a text", b"X\x05\x00\x00\x00ab", End::Truncated),
        ("no opcode", b"N\xff", End::Problem(Problem::Opcode { byte: 0xff })),
        ("empty stop", b".", End::Problem(Problem::Stack { opcode: O::Stop })),
        ("nothing to drop", b"0", End::Problem(Problem::Stack { opcode: O::Pop })),
        ("a mark in between", b"N(R", End::Problem(Problem::Stack { opcode: O::Reduce })),
        ("below the mark", b"NN(\x86", End::Problem(Problem::Stack { opcode: O::Tuple2 })),
        ("no mark", b"Nt", End::Problem(Problem::Mark { opcode: O::Tuple })),
        ("no memo", b"h\x01.", End::Problem(Problem::Memo)),
        ("a memo that is no number", b"gx\n.", End::Problem(Problem::Memo)),
        ("a place below nothing", b"Np-1\n.", End::Problem(Problem::Kind { opcode: O::Put })),
        ("odd", b"(Nd.", End::Problem(Problem::Odd { opcode: O::Dict })),
        ("odd items", b"}(Nu.", End::Problem(Problem::Odd { opcode: O::SetItems })),
        (
            "a number for a module",
            b"K\x01K\x02\x93.",
            End::Problem(Problem::Kind { opcode: O::StackGlobal }),
        ),
        (
            "bytes for a module",
            b"C\x02osC\x06system\x93.",
            End::Problem(Problem::Kind { opcode: O::StackGlobal }),
        ),
        ("protocol 6", b"\x80\x06N.", End::Problem(Problem::Protocol { number: 6 })),
        (
            "negative length",
            b"T\xff\xff\xff\xff",
            End::Problem(Problem::Length { opcode: O::BinString }),
        ),
        (
            "endless length",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
            End::Problem(Problem::Length { opcode: O::BinUnicode8 }),
        ),
    ] {
        assert_eq!(end(bytes), want, "{name}");
    }
}

#[test]
fn where_loaders_differ_is_told() {
    for (name, bytes, want) in [
        ("no doubt", b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N.".as_slice(), vec![]),
        (
            "over a frame's end",
            b"\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00K\x01.",
            vec![DoubtKind::Frame],
        ),
        (
            "frame in a frame",
            b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x95\x02\x00\x00\x00\x00\x00\x00\x00N.",
            vec![DoubtKind::Frame],
        ),
        (
            "a frame too long",
            b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00NN",
            vec![DoubtKind::FrameLength],
        ),
        ("protocol late", b"N\x80\x02.", vec![DoubtKind::Protocol]),
        ("no quotes", b"Sabc\n.", vec![DoubtKind::Operand]),
        ("no UTF-8", b"X\x01\x00\x00\x00\xff.", vec![DoubtKind::Operand]),
        ("no number", b"Iabc\n.", vec![DoubtKind::Operand]),
        ("long numbers", b"L99999999999999999999L\n0I 1_000 \n0F1e5\n.", vec![]),
        ("no tuple", b"cm\nf\n]R.", vec![DoubtKind::Arguments]),
        ("no method", b"K\x01K\x02a.", vec![DoubtKind::Method]),
        ("state of a number", b"K\x01Nb.", vec![DoubtKind::Method]),
        ("memo again", b"Nq\x00q\x00.", vec![DoubtKind::Memo]),
    ] {
        let (trace, _) = traced(bytes, Limits::default());
        let kinds: Vec<DoubtKind> = trace.doubts().iter().map(|doubt| doubt.kind).collect();
        assert_eq!(kinds, want, "{name}");
        assert_eq!(trace.n_doubts(), want.len() as u64, "{name}");
    }
}

#[test]
fn every_bound_ends_the_stream_unfinished() {
    let small =
        Limits { values_max: 20, text_bytes_max: 200, stack_max: 10, memo_max: 5, calls_max: 3 };
    for (name, bytes, want) in [
        ("stack", b"N".repeat(11), "stack_max"),
        ("marks", b"(".repeat(11), "stack_max"),
        ("copies", [b"N".as_slice(), &b"2".repeat(11)].concat(), "stack_max"),
        ("values", b"]0".repeat(21), "values_max"),
        ("items", [b"]".as_slice(), &b"]a".repeat(21)].concat(), "values_max"),
        ("texts", b"S'0123456789'\n0".repeat(12), "text_bytes_max"),
        ("memo", [b"N".as_slice(), &b"\x94".repeat(6)].concat(), "memo_max"),
        ("calls", b"cm\nf\n)R0".repeat(4), "calls_max"),
        ("names", b"cm\na\n0cm\nb\n0cm\nc\n0cm\nd\n0".to_vec(), "calls_max"),
    ] {
        let (trace, _) = traced(&bytes, small);
        assert_eq!(trace.end().0, End::Limit(want), "{name}");
    }
    // What is plain data costs nothing, however much of it there is.
    let many = [b"](".as_slice(), &b"K\x01".repeat(8), b"e"].concat();
    let long = [&many, b"(K\x01K\x02e".repeat(1000).as_slice(), b"."].concat();
    let enough = Limits { values_max: 20, stack_max: 20, ..small };
    assert_eq!(traced(&long, enough).0.end().0, End::Stop);
}

#[test]
fn what_follows_the_end_is_left() {
    let (trace, n_bytes) = traced(b"N.N.", Limits::default());
    assert_eq!((trace.end(), n_bytes), ((End::Stop, 2), 2));
    let mut machine = Machine::new(Limits::default());
    assert!(machine.is_fresh());
    assert_eq!((machine.push(b"N."), machine.push(b"N.")), (2, 0));
    assert_eq!(machine.state(), State::Ended(End::Stop));
}

#[test]
fn long_operands_are_kept_in_part() {
    let text = "a".repeat(10_000);
    for (name, bytes, n_calls) in [
        ("counted", [b"cm\nf\n(X\x10\x27\x00\x00".as_slice(), text.as_bytes(), b"tR."].concat(), 1),
        ("line", [b"cm\nf\n(S'".as_slice(), text.as_bytes(), b"'\ntR."].concat(), 1),
        ("module", [b"c".as_slice(), text.as_bytes(), b"\nf\n)R."].concat(), 1),
        ("name", [b"cm\n".as_slice(), text.as_bytes(), b"\n)R."].concat(), 1),
    ] {
        let (trace, n_bytes) = traced(&bytes, Limits::default());
        assert_eq!(
            (trace.end(), n_bytes),
            ((End::Stop, bytes.len() as u64), bytes.len()),
            "{name}"
        );
        assert_eq!(trace.calls().count(), n_calls, "{name}");
        let is_name = matches!(name, "module" | "name");
        assert_eq!(trace.globals().next().unwrap().is_partial, is_name, "{name}");
    }
}

/// Nobody follows a value into itself for ever.
#[test]
fn a_value_that_holds_itself_is_shown() {
    let shown = calls(b"cm\nf\n(]q\x00h\x00atR.").join("");
    assert!(shown.starts_with("m.f([[[") && shown.ends_with("])"), "{shown}");
    let bomb: Vec<u8> = std::iter::once(&b"cm\nf\n(]q\x00"[..])
        .chain((0..40).map(|_| &b"]q\x010(h\x01h\x01e"[..]))
        .flatten()
        .copied()
        .collect();
    assert!(calls(&bomb).join("").len() < 10_000);
}

/// Opcodes in any order, more often ones that go together.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"cos\nsystem\n".to_vec()),
        4 => Just(b"(S'id'\nt".to_vec()),
        4 => Just(b"R".to_vec()),
        2 => Just(b"\x8c\x02os\x8c\x06system\x93".to_vec()),
        2 => Just(b"]q\x01".to_vec()),
        2 => Just(b"h\x01".to_vec()),
        2 => Just(b"}".to_vec()),
        2 => Just(b"\x95\x05\x00\x00\x00\x00\x00\x00\x00".to_vec()),
        1 => Just([b"X\x88\x13\x00\x00".as_slice(), &[b'x'; 5000]].concat()),
        1 => Just([b"V".as_slice(), &[b'y'; 5000], b"\n"].concat()),
        8 => any::<u8>().prop_map(|byte| vec![byte]),
        8 => proptest::sample::select(b"(.012IJKLMNRabdegiloptu)}]".as_slice()).prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// What a stream would do does not depend on how it comes in.
    #[test]
    fn cuts_change_nothing(bytes in streams(), size in 1..50_usize) {
        let (whole, n_whole) = traced(&bytes, Limits::default());
        let mut machine = Machine::new(Limits::default());
        let n_pieces: usize = bytes.chunks(size).map(|piece| machine.push(piece)).sum();
        let pieces = machine.finish();
        let is_problem = matches!(whole.end().0, End::Problem(_));
        prop_assert!(is_problem || n_whole == n_pieces, "{} and {}", n_whole, n_pieces);
        prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
        for call in pieces.calls() {
            prop_assert!(call.to_string().len() < 4 << 10);
        }
    }
}
