//! What tests share: the number of cases, noise, archives made by hand, and a reader of archives that is not the packer's.
//!
//! Only tests depend on this crate. It knows no other crate of the workspace.

pub mod cases;
pub mod handmade;
pub mod listing;
