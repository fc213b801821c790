//! Memory for bodies that are held as a whole, over all connections together: taken as bytes arrive, given back when they are dropped.
//!
//! Nobody waits for room. A caller that finds none is told so at once, because a wait that others can make long holds memory as well.
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that are held at the moment. Clones are handles to the same count.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    held: Arc<AtomicUsize>,
}

impl Room {
    /// Bytes that are held now.
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Nothing yet, of at most `bytes_max` for all.
    pub(super) fn share(&self, bytes_max: usize) -> Share {
        Share { room: self.clone(), bytes: 0, bytes_max }
    }
}

/// What one body takes of the room. Dropping it gives everything back.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    bytes: usize,
    bytes_max: usize,
}

/// There is no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Share {
    /// Takes room for so many more bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.room.held.fetch_update(Relaxed, Relaxed, fits).map_err(|_| Full)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Bytes that keep this share until the last of their handles is gone.
    pub(super) fn keep(self, bytes: Bytes) -> Bytes {
        if self.bytes == 0 { bytes } else { Bytes::from_owner(Kept { bytes, _share: self }) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.held.fetch_sub(self.bytes, Relaxed);
    }
}

struct Kept {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_up_to_the_limit_and_given_back() {
        let room = Room::default();
        let (mut one, mut two) = (room.share(100), room.share(100));
        assert_eq!((one.grow(60), two.grow(40)), (Ok(()), Ok(())));
        assert_eq!((two.grow(1), one.grow(usize::MAX), room.held()), (Err(Full), Err(Full), 100));
        drop(two);
        assert_eq!((one.grow(41), one.grow(40), room.held()), (Err(Full), Ok(()), 100));
        drop(one);
        assert_eq!(room.held(), 0);
    }

    #[test]
    fn kept_bytes_hold_their_share_until_the_last_handle_is_gone() {
        let room = Room::default();
        let mut share = room.share(10);
        share.grow(5).unwrap();
        let bytes = share.keep(Bytes::from_static(b"hello"));
        let tail = bytes.slice(4..);
        drop(bytes);
        assert_eq!((&tail[..], room.held()), (&b"o"[..], 5));
        drop(tail);
        assert_eq!(room.held(), 0);
        assert_eq!(room.share(0).keep(Bytes::from_static(b"x")), "x");
    }
}
