//! What is taken and what is left: single cases, a corpus of secrets in the contexts they occur in, text that must not change, and
//! properties that hold for any input.

mod basics;
mod configured;
mod contexts;
mod corpus;
mod kinds;
mod ordinary;
mod properties;
