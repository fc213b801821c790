//! The built binary from outside: arguments, files, sockets and signals in; exit codes, words and bytes out.
#[cfg(test)]
mod cli;
#[cfg(test)]
mod common;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod serve;
