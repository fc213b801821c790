//! Turns evidence into decisions: `judge(policy, subject, observations) -> Decision`. Cedar lives here and nowhere else.
//!
//! * The rules: [`GuardPolicy`] (loaded, checked, compiled), the shipped [`Profile`]s, [`route_permits`].
//! * The answers, computed once per role set and route: [`Ladder`].
//! * The decision: [`judge`], [`judge_again`], and the [`Pass`] without which nobody may cause an effect.
//!
//! There is no power here: no file, no clock, no socket, no randomness. The same policy and the same evidence give the
//! same decision in ten years. Nothing here redacts or refuses either; the holder of the power does, as it is told.
//! What cannot be answered (a policy that errs, a kind that nobody knows, evidence without a caller) is refused.
mod check;
mod error;
mod judge;
mod ladder;
mod load;
mod permits;
mod profile;
mod roles;
mod shape;
#[cfg(test)]
mod tests;

pub use error::PolicyError;
pub use judge::{
    Cause, Decision, Observation, Pass, Problem, Refusal, Subject, judge, judge_again,
};
pub use ladder::{Action, Answer, LADDERS_MAX, Ladder, Why};
pub use load::{GuardPolicy, ID_BYTES_MAX, POLICIES_MAX, Rule};
pub use permits::{PermitError, ROUTE_BYTES_MAX, route_permits};
pub use profile::{Profile, UnknownProfile};
pub use roles::Roles;
pub use shape::{DEPTH_MAX, NESTING_MAX, POLICY_BYTES_MAX, TEXT_BYTES_MAX};
