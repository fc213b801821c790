//! The opcodes, and what follows each of them in the stream.

/// How the bytes after an opcode are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// There are none.
    Nothing,
    /// So many bytes.
    Fixed(usize),
    /// A line.
    Line,
    /// Two lines.
    Lines,
    /// A length of so many bytes, and as many bytes as it says.
    Counted(usize),
}

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $byte:literal, $text:literal, $operand:expr;)*) => {
        /// One instruction of a pickle. The names are those of `pickletools`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Opcode {
            $($(#[$doc])* $name = $byte,)*
        }

        impl Opcode {
            /// The opcode that a byte stands for.
            #[inline]
            pub const fn of(byte: u8) -> Option<Self> {
                match byte {
                    $($byte => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name, as `pickletools` has it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What follows it.
            #[inline]
            pub(super) const fn operand(self) -> Operand {
                match self {
                    $(Self::$name => $operand,)*
                }
            }
        }
    };
}

opcodes! {
    /// Pushes a mark.
    Mark = b'(', "MARK", Operand::Nothing;
    /// Ends the stream.
    Stop = b'.', "STOP", Operand::Nothing;
    /// Drops the top, or the mark there.
    Pop = b'0', "POP", Operand::Nothing;
    /// Drops all above the last mark, and the mark.
    PopMark = b'1', "POP_MARK", Operand::Nothing;
    /// Pushes the top again.
    Dup = b'2', "DUP", Operand::Nothing;
    /// A float in decimal.
    Float = b'F', "FLOAT", Operand::Line;
    /// A whole number in decimal; `00` and `01` are truth values.
    Int = b'I', "INT", Operand::Line;
    /// A whole number of four bytes.
    BinInt = b'J', "BININT", Operand::Fixed(4);
    /// A whole number of one byte.
    BinInt1 = b'K', "BININT1", Operand::Fixed(1);
    /// A long whole number in decimal.
    Long = b'L', "LONG", Operand::Line;
    /// A whole number of two bytes.
    BinInt2 = b'M', "BININT2", Operand::Fixed(2);
    /// Nothing.
    None = b'N', "NONE", Operand::Nothing;
    /// What the loader has under a name.
    PersId = b'P', "PERSID", Operand::Line;
    /// What the loader has under the value on top.
    BinPersId = b'Q', "BINPERSID", Operand::Nothing;
    /// Calls.
    Reduce = b'R', "REDUCE", Operand::Nothing;
    /// A quoted string.
    String = b'S', "STRING", Operand::Line;
    /// A string of so many bytes.
    BinString = b'T', "BINSTRING", Operand::Counted(4);
    /// A short one.
    ShortBinString = b'U', "SHORT_BINSTRING", Operand::Counted(1);
    /// Text with escapes.
    Unicode = b'V', "UNICODE", Operand::Line;
    /// Text of so many bytes.
    BinUnicode = b'X', "BINUNICODE", Operand::Counted(4);
    /// Appends to what is below the top.
    Append = b'a', "APPEND", Operand::Nothing;
    /// Sets a state.
    Build = b'b', "BUILD", Operand::Nothing;
    /// Imports.
    Global = b'c', "GLOBAL", Operand::Lines;
    /// Makes a dictionary of all above the last mark.
    Dict = b'd', "DICT", Operand::Nothing;
    /// An empty one.
    EmptyDict = b'}', "EMPTY_DICT", Operand::Nothing;
    /// Appends all above the last mark.
    Appends = b'e', "APPENDS", Operand::Nothing;
    /// Pushes from the memo.
    Get = b'g', "GET", Operand::Line;
    /// The same.
    BinGet = b'h', "BINGET", Operand::Fixed(1);
    /// Imports and makes an instance.
    Inst = b'i', "INST", Operand::Lines;
    /// Pushes from the memo.
    LongBinGet = b'j', "LONG_BINGET", Operand::Fixed(4);
    /// Makes a list of all above the last mark.
    List = b'l', "LIST", Operand::Nothing;
    /// An empty one.
    EmptyList = b']', "EMPTY_LIST", Operand::Nothing;
    /// Makes an instance.
    Obj = b'o', "OBJ", Operand::Nothing;
    /// Keeps the top in the memo.
    Put = b'p', "PUT", Operand::Line;
    /// The same.
    BinPut = b'q', "BINPUT", Operand::Fixed(1);
    /// The same.
    LongBinPut = b'r', "LONG_BINPUT", Operand::Fixed(4);
    /// Sets an item.
    SetItem = b's', "SETITEM", Operand::Nothing;
    /// Makes a tuple of all above the last mark.
    Tuple = b't', "TUPLE", Operand::Nothing;
    /// An empty one.
    EmptyTuple = b')', "EMPTY_TUPLE", Operand::Nothing;
    /// Sets items from all above the last mark.
    SetItems = b'u', "SETITEMS", Operand::Nothing;
    /// A float of eight bytes.
    BinFloat = b'G', "BINFLOAT", Operand::Fixed(8);
    /// The protocol.
    Proto = 0x80, "PROTO", Operand::Fixed(1);
    /// Makes an instance without its initialiser.
    NewObj = 0x81, "NEWOBJ", Operand::Nothing;
    /// From the registry of extensions.
    Ext1 = 0x82, "EXT1", Operand::Fixed(1);
    /// The same.
    Ext2 = 0x83, "EXT2", Operand::Fixed(2);
    /// The same.
    Ext4 = 0x84, "EXT4", Operand::Fixed(4);
    /// A tuple of the top.
    Tuple1 = 0x85, "TUPLE1", Operand::Nothing;
    /// A tuple of two.
    Tuple2 = 0x86, "TUPLE2", Operand::Nothing;
    /// A tuple of three.
    Tuple3 = 0x87, "TUPLE3", Operand::Nothing;
    /// Yes.
    NewTrue = 0x88, "NEWTRUE", Operand::Nothing;
    /// No.
    NewFalse = 0x89, "NEWFALSE", Operand::Nothing;
    /// A long whole number.
    Long1 = 0x8a, "LONG1", Operand::Counted(1);
    /// The same.
    Long4 = 0x8b, "LONG4", Operand::Counted(4);
    /// Bytes.
    BinBytes = b'B', "BINBYTES", Operand::Counted(4);
    /// A few bytes.
    ShortBinBytes = b'C', "SHORT_BINBYTES", Operand::Counted(1);
    /// A short text.
    ShortBinUnicode = 0x8c, "SHORT_BINUNICODE", Operand::Counted(1);
    /// A long text.
    BinUnicode8 = 0x8d, "BINUNICODE8", Operand::Counted(8);
    /// Many bytes.
    BinBytes8 = 0x8e, "BINBYTES8", Operand::Counted(8);
    /// An empty set.
    EmptySet = 0x8f, "EMPTY_SET", Operand::Nothing;
    /// Adds all above the last mark.
    AddItems = 0x90, "ADDITEMS", Operand::Nothing;
    /// A set of all above the last mark.
    FrozenSet = 0x91, "FROZENSET", Operand::Nothing;
    /// Makes an instance without its initialiser, with names.
    NewObjEx = 0x92, "NEWOBJ_EX", Operand::Nothing;
    /// Imports what two texts on the stack name.
    StackGlobal = 0x93, "STACK_GLOBAL", Operand::Nothing;
    /// Keeps the top in the next place of the memo.
    Memoize = 0x94, "MEMOIZE", Operand::Nothing;
    /// Begins a frame.
    Frame = 0x95, "FRAME", Operand::Fixed(8);
    /// Bytes that may change.
    ByteArray8 = 0x96, "BYTEARRAY8", Operand::Counted(8);
    /// A buffer that came beside the stream.
    NextBuffer = 0x97, "NEXT_BUFFER", Operand::Nothing;
    /// Makes it one that may not change.
    ReadonlyBuffer = 0x98, "READONLY_BUFFER", Operand::Nothing;
}

impl std::fmt::Display for Opcode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
