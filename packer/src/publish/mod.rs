//! Stage 7: the destinations on this machine, where complete images get their names.

pub(crate) mod temp_name;

pub(crate) mod output_dir;
pub(crate) mod pending_file;

mod direct_io;
mod local_upload;

mod image_file;
mod oci_layout;
mod split;
pub(crate) mod stream;

use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::codec::Compression;
use crate::error::Result;
use crate::format::Plan;
use crate::sink::destination::Destination;

use image_file::ImageFile;
use oci_layout::OciLayout;
use output_dir::OutputDir;
use split::SplitDirectory;

/// The destination in a directory that an image with this plan has.
pub(crate) fn in_directory(
    directory: Arc<OutputDir>,
    plan: &Plan<'_>,
    compression: Compression,
    cancel: &CancelToken,
) -> Result<Box<dyn Destination>> {
    Ok(match plan {
        Plan::File => Box::new(ImageFile::new(directory, compression.extension())),
        Plan::Split => Box::new(SplitDirectory::new(directory, compression)),
        Plan::Oci { tag, draft } => Box::new(OciLayout::open(directory, *tag, draft.platform(), cancel)?),
    })
}
