//! A world made of seeds, for tests only: a clock that moves when told, chance that repeats, and a disk that breaks every promise
//! that a real one may break.
//!
//! Nothing here opens a file, reads the time or draws a random number: the same seed gives the same run.
mod chance;
mod classifier;
mod clock;
mod disk;
mod liar;
mod sealer;
mod signer;
mod wait;

pub use chance::{SimEntropy, SplitMix};
pub use classifier::Classifier;
pub use clock::SimClock;
pub use disk::{Counts, SimDisk};
pub use liar::{DishonestDisk, Lie};
pub use sealer::SimSealer;
pub use signer::SimSigner;
pub use wait::wait;
