//! Bounds, leaks and ends: what keeps a server alive, and how it dies.

mod binary;
mod bounds;
mod budget;
mod calls;
mod floods;
mod leaks;
mod pause;
mod queue;
mod shutdown;
mod unread;
