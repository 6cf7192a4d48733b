//! The options that choose the format of an image, and what the image says of itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use packer::{Architecture, ContainerConfig, Format, LxdOptions, Metadata, OciOptions, Tag, escape_path};

use crate::wrong_use::WrongUse;

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// One tar with the tree at its top
    Tar,
    /// One tar for LXD and Incus: metadata.yaml, rootfs/, templates/
    Unified,
    /// A directory with two files for LXD and Incus: metadata and rootfs
    Split,
    /// An image in the OCI image layout DIR
    Oci,
}

#[derive(Args, Debug)]
pub(crate) struct FormatArguments {
    /// Make the image in this format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = FormatName::Tar)]
    format: FormatName,
    /// The architecture of the image, by its name in LXD, Go or Debian [default: that of the tree's shell]
    #[arg(long, value_name = "ARCH", help_heading = "Formats unified, split and oci")]
    arch: Option<Architecture>,
    /// Take metadata.yaml from FILE [default: made from the tree]
    #[arg(long, value_name = "FILE", help_heading = "Formats unified and split")]
    metadata: Option<PathBuf>,
    /// Take the templates from DIR [default: none]
    #[arg(long, value_name = "DIR", help_heading = "Formats unified and split")]
    templates: Option<PathBuf>,
    /// Set a property of the image. Repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Formats unified and split")]
    property: Vec<Pair>,
    /// Tag the image in its layout; another image with this tag loses it [default: no tag]
    #[arg(long, value_name = "TAG", help_heading = "Format oci")]
    tag: Option<Tag>,
    /// Set a variable in the environment of containers. Repeatable
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Format oci")]
    env: Vec<Pair>,
    /// One argument of the command that containers run; repeat for each. With --entrypoint, they are the arguments of that
    #[arg(long, value_name = "ARGUMENT", help_heading = "Format oci", allow_hyphen_values = true)]
    cmd: Vec<String>,
    /// One argument of the program that containers always run; repeat for each
    #[arg(long, value_name = "ARGUMENT", help_heading = "Format oci", allow_hyphen_values = true)]
    entrypoint: Vec<String>,
    /// Start containers in DIR, an absolute path [default: /]
    #[arg(long, value_name = "DIR", help_heading = "Format oci")]
    workdir: Option<String>,
    /// Set a label of the image. Repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Format oci")]
    label: Vec<Pair>,
    /// Run containers as this user and group, by name or number [default: root]
    #[arg(long, value_name = "USER[:GROUP]", help_heading = "Format oci")]
    user: Option<String>,
}

/// Two texts with the first `=` between them.
#[derive(Clone, Debug)]
struct Pair {
    key: String,
    value: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Pair { key: key.to_owned(), value: value.to_owned() }),
            _ => Err("a name, `=` and a value are expected".to_owned()),
        }
    }
}

impl FormatArguments {
    /// The format with its options. An option of another format is an error.
    pub(crate) fn format(&self) -> Result<Format> {
        if let Some((option, formats)) = self.foreign_option() {
            let message =
                format!("the argument '{option}' cannot be used with '--format {}': it is for {formats}", self.name());
            return Err(WrongUse::conflict(message));
        }
        Ok(match self.format {
            FormatName::Tar => Format::Tar,
            FormatName::Unified => Format::Unified(self.lxd()?),
            FormatName::Split => Format::Split(self.lxd()?),
            FormatName::Oci => Format::Oci(self.oci()?),
        })
    }

    /// The format's name.
    pub(crate) fn name(&self) -> String {
        self.format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// An option that was given and is not for the chosen format, with the formats that it is for.
    fn foreign_option(&self) -> Option<(&'static str, &'static str)> {
        let (lxd, oci) = ("the formats unified and split", "the format oci");
        let described = self.format != FormatName::Tar;
        let (is_lxd, is_oci) =
            (matches!(self.format, FormatName::Unified | FormatName::Split), self.format == FormatName::Oci);
        let given = [
            ("--arch", self.arch.is_some(), described, "the formats unified, split and oci"),
            ("--metadata", self.metadata.is_some(), is_lxd, lxd),
            ("--templates", self.templates.is_some(), is_lxd, lxd),
            ("--property", !self.property.is_empty(), is_lxd, lxd),
            ("--tag", self.tag.is_some(), is_oci, oci),
            ("--env", !self.env.is_empty(), is_oci, oci),
            ("--cmd", !self.cmd.is_empty(), is_oci, oci),
            ("--entrypoint", !self.entrypoint.is_empty(), is_oci, oci),
            ("--workdir", self.workdir.is_some(), is_oci, oci),
            ("--label", !self.label.is_empty(), is_oci, oci),
            ("--user", self.user.is_some(), is_oci, oci),
        ];
        given.into_iter().find(|(_, given, fits, _)| *given && !fits).map(|(option, _, _, formats)| (option, formats))
    }

    fn lxd(&self) -> Result<LxdOptions> {
        let mut lxd = LxdOptions::new();
        if let Some(path) = &self.metadata {
            lxd = lxd.metadata(metadata(path)?);
        }
        if let Some(directory) = &self.templates {
            lxd = lxd.templates(directory);
        }
        if let Some(architecture) = self.arch {
            lxd = lxd.architecture(architecture);
        }
        if let Some(seconds) = source_date()? {
            lxd = lxd.created(seconds);
        }
        Ok(self.property.iter().fold(lxd, |lxd, Pair { key, value }| lxd.property(key, value)))
    }

    fn oci(&self) -> Result<OciOptions> {
        if let Some(directory) = self.workdir.as_ref().filter(|directory| !directory.starts_with('/')) {
            let message = format!(
                "invalid value '{}' for '--workdir <DIR>': it is not an absolute path",
                directory.escape_debug()
            );
            return Err(WrongUse::value(message));
        }
        // Sorted, and of one name the last, so that the order of the options does not matter.
        let env: BTreeMap<_, _> = self.env.iter().map(|Pair { key, value }| (key, value)).collect();
        let env = env.iter().map(|(name, value)| format!("{name}={value}"));
        let mut config = ContainerConfig::new().cmd(&self.cmd).entrypoint(&self.entrypoint).env(env);
        for Pair { key, value } in &self.label {
            config = config.label(key, value);
        }
        if let Some(user) = &self.user {
            config = config.user(user);
        }
        if let Some(directory) = &self.workdir {
            config = config.working_dir(directory);
        }
        let mut oci = OciOptions::new().config(config);
        if let Some(tag) = &self.tag {
            oci = oci.tag(tag.clone());
        }
        if let Some(architecture) = self.arch {
            oci = oci.architecture(architecture);
        }
        if let Some(seconds) = source_date()? {
            oci = oci.created(seconds);
        }
        Ok(oci)
    }
}

fn metadata(path: &Path) -> Result<Metadata> {
    let name = escape_path(path);
    let file = File::open(path).with_context(|| format!("cannot open `{name}`"))?;
    let mut bytes = Vec::new();
    let read = file.take(Metadata::LIMIT as u64 + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read `{name}`"))?;
    Metadata::parse(&bytes).map_err(|error| anyhow!("`{name}` {error}"))
}

/// The time of the image's source, as <https://reproducible-builds.org/specs/source-date-epoch/> defines it.
fn source_date() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    let invalid = || {
        let text = text.to_string_lossy().escape_debug().to_string();
        WrongUse::value(format!("invalid value '{text}' for SOURCE_DATE_EPOCH: it is not a number of seconds"))
    };
    seconds.map(Some).ok_or_else(invalid)
}
