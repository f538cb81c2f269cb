//! The store as a whole, over real files in a temporary directory.

mod chain;
mod prune;
mod purge;
mod reader;
mod records;
mod repair;
mod rollup;
mod start;
mod uptime;
mod verify;
