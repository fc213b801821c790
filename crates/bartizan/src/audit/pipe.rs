//! Output that goes on for long: as [`print`](crate::print) does it, but whoever writes learns when nobody reads any more.
use std::io::{self, ErrorKind, Write as _};

/// Writes data to stdout, exactly as given. `false` when the reader went away (`| head`): then there is no point in going on.
///
/// # Errors
/// Those of stdout, except a closed pipe.
pub(crate) fn put(text: &str) -> io::Result<bool> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}
