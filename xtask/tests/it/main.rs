//! The tasks as they are run, and the house they live in.

mod conclusions;
mod documents;
mod ends;
mod launch;
mod layers;
mod lxd;
mod tidy;
mod wrong_use;
