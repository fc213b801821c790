//! The built binary from outside: arguments, files, sockets and signals in; exit codes, words and bytes out.
#[cfg(test)]
mod audit;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod common;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod disclose;
#[cfg(test)]
mod erase;
#[cfg(test)]
mod guides;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod log;
#[cfg(test)]
#[cfg(feature = "transformers")]
mod second;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod vault;
#[cfg(test)]
mod witness;
