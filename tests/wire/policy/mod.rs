//! The policy from the outside: what a request is answered with, and what a change of it does.

mod administrator;
mod breaker;
mod changes;
mod limits;
mod pages;
mod told;
