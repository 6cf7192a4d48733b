//! The tasks as they are run, and the house they live in.

mod conclusions;
mod ends;
mod lxd;
mod tidy;
