//! Raw bytes against a server in the same process, and against the binary: every generation, every
//! transport.

#![cfg(feature = "server")]

mod account_keys;
mod accounts;
mod admin;
mod admin_ui;
mod chat;
mod clocks;
mod cluster;
mod connections;
mod echo;
mod embedded;
mod engineio;
mod health;
mod history;
mod hosts;
mod http;
mod library;
mod life;
mod logs;
mod moderation;
mod names;
mod nodes;
mod pages;
mod paths;
mod policy;
mod recovered;
mod relay;
mod relay_unread;
mod rooms;
mod rules;
mod slots;
mod socketio;
mod socketio09;
mod streams;
mod support;
mod upgrade;
mod websocket;
