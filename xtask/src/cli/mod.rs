//! What the tasks share of the command line: paths, output, progress, wrong use, the tree to pack, the command as
//! records keep it.

mod command_line;
mod fixture_tree;
mod input_tree;
mod output;
mod paths;
mod progress;
mod record_name;
mod wrong_use;

pub(crate) use command_line::command_line;
pub(crate) use fixture_tree::make_fixture;
pub(crate) use input_tree::InputTree;
pub(crate) use output::{print, print_verdict, warn};
pub(crate) use paths::{display_path, repository, results_or_default, scratch_or_default, this_program, today};
pub(crate) use progress::ProgressLine;
pub(crate) use record_name::{require_record, topic};
pub(crate) use wrong_use::WrongUse;
