//! Bounds, leaks and ends: what keeps a server alive, and how it dies.

mod binary;
mod bounds;
mod calls;
mod budget;
mod floods;
mod leaks;
mod pause;
mod queue;
mod shutdown;
mod unread;
