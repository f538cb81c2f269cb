//! What is taken and what is left, in the contexts that secrets occur in.
mod basics;
