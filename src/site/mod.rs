//! What the chat server answers outside of the engine's path: pages, reports, metrics, and the requests of
//! administrators. [`Pages`] puts it into a [`Server`](crate::server::Server).

pub mod admin;
mod client_script;
mod copies;
mod file_service;
mod file_version;
mod folder;
mod large_file;
pub mod metrics;
mod page_files;
mod pages;
mod places;
mod reports;

pub use pages::Pages;
