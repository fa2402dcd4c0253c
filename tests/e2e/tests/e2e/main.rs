//! Everything that may run side by side.

mod accessibility;
mod bad_input;
mod console;
mod crawl;
mod credentials;
mod first_load;
mod harness;
mod inspector;
mod keep_alive;
mod lasting;
mod lines;
mod links;
mod logs;
mod markup;
mod motion;
mod network;
mod odd_payloads;
mod opening;
mod panels;
mod restart;
mod settings;
mod subscriptions;
mod tabs;
mod tokens;
mod topics;
mod versions;
