//! Bytes that nobody is shown.
//!
//! A [`Secret`] lives in one place on the heap, is wiped when it goes, and prints as `Secret(..)`. It cannot be cloned, compared byte by
//! byte or written out; only this crate looks inside. What it does not do: keep the kernel from swapping the page out, or a core dump from
//! holding it. A host that fears that turns swap and core dumps off.
use aws_lc_rs::constant_time::verify_slices_are_equal;
use bartizan_core::clock::Entropy;
use std::fmt;
use zeroize::Zeroize as _;

/// `N` secret bytes.
///
/// ```compile_fail
/// # use bartizan_keys::Secret;
/// fn copy(secret: &Secret<32>) -> Secret<32> {
///     secret.clone() // there is no such thing
/// }
/// ```
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Draws a new one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self::write(|bytes| entropy.fill(bytes))
    }

    /// Lets `write` fill it in place, so that no copy stays behind on the stack.
    pub fn write(write: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        write(&mut secret.0);
        secret
    }

    /// Whether both hold the same bytes, in a time that does not depend on them.
    pub fn is_same(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.expose(), other.expose()).is_ok()
    }

    /// The bytes, for this crate alone.
    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::SimEntropy;

    #[test]
    fn nothing_of_it_is_printed() {
        let secret = Secret::<4>::write(|bytes| *bytes = *b"\x41\x42\x43\x44");
        for printed in [format!("{secret:?}"), format!("{secret:#?}"), format!("{secret:x?}")] {
            assert_eq!(printed, "Secret(..)");
        }
    }

    #[test]
    fn it_is_drawn_and_compared() {
        let secret = |seed| Secret::<32>::draw(&SimEntropy::new(seed));
        assert!(secret(1).is_same(&secret(1)));
        assert!(!secret(1).is_same(&secret(2)));
        assert_ne!(secret(1).expose(), &[0; 32]);
    }
}
