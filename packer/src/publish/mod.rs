//! Stage 7: complete images get their names.

pub(crate) mod directory;
pub(crate) mod oci_layout;
pub(crate) mod split;
pub(crate) mod temp_name;
