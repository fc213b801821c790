//! Secrets: keys, tokens and passwords, by vendor. New kinds go to the end.

kinds! {}
