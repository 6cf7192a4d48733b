//! The options that say what an image looks like from outside, and what it says of itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use packer::{Architecture, Format, Lxd, Metadata, Oci, Run, Tag};

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The tree in one tar
    Tar,
    /// One tar for LXD and Incus: metadata.yaml, rootfs/, templates/
    Unified,
    /// Two files for LXD and Incus: metadata and rootfs
    Split,
    /// An image in an OCI image layout
    Oci,
}

#[derive(Args, Debug)]
pub(crate) struct FormatArguments {
    /// What the image looks like from outside
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Kind::Tar)]
    format: Kind,
    /// The architecture, as LXD, Go or Debian call it [default: that of the tree's shell]
    #[arg(long, value_name = "ARCH", help_heading = "Formats unified, split and oci")]
    arch: Option<Architecture>,
    /// A metadata.yaml [default: made from the tree]
    #[arg(long, value_name = "FILE", help_heading = "Formats unified and split")]
    metadata: Option<PathBuf>,
    /// A directory with templates
    #[arg(long, value_name = "DIR", help_heading = "Formats unified and split")]
    templates: Option<PathBuf>,
    /// A property of the image; may be repeated
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Formats unified and split")]
    property: Vec<Pair>,
    /// The name of the image in its layout
    #[arg(long, value_name = "NAME", help_heading = "Format oci")]
    tag: Option<Tag>,
    /// A variable of the environment that a container starts with; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Format oci")]
    env: Vec<Pair>,
    /// One argument of the entrypoint, or of the command if there is none; repeated for each
    #[arg(long, value_name = "ARGUMENT", help_heading = "Format oci", allow_hyphen_values = true)]
    cmd: Vec<String>,
    /// One argument of the command that a container starts with; repeated for each
    #[arg(long, value_name = "ARGUMENT", help_heading = "Format oci", allow_hyphen_values = true)]
    entrypoint: Vec<String>,
    /// The directory that a container starts in
    #[arg(long, value_name = "DIR", help_heading = "Format oci")]
    workdir: Option<String>,
    /// A label of the image; may be repeated
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Format oci")]
    label: Vec<Pair>,
    /// The user that a container runs as, and after a colon the group, by name or number
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
    /// The format, with all that was said of it.
    pub(crate) fn chosen(&self) -> Result<Format> {
        if let Some((option, belongs)) = self.foreign() {
            bail!("`{option}` says nothing of an image in the format {}: it belongs to {belongs}", self.name());
        }
        Ok(match self.format {
            Kind::Tar => Format::Tar,
            Kind::Unified => Format::Unified(self.lxd()?),
            Kind::Split => Format::Split(self.lxd()?),
            Kind::Oci => Format::Oci(self.oci()?),
        })
    }

    /// The format's name.
    pub(crate) fn name(&self) -> String {
        self.format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// An option that was given, and the formats that it belongs to, if the chosen one is none of them.
    fn foreign(&self) -> Option<(&'static str, &'static str)> {
        let (lxd, oci) = ("unified and split", "oci");
        let described = self.format != Kind::Tar;
        let (is_lxd, is_oci) = (matches!(self.format, Kind::Unified | Kind::Split), self.format == Kind::Oci);
        let given = [
            ("--arch", self.arch.is_some(), described, "unified, split and oci"),
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
        given.into_iter().find(|(_, given, fits, _)| *given && !fits).map(|(option, _, _, belongs)| (option, belongs))
    }

    fn lxd(&self) -> Result<Lxd> {
        let mut lxd = Lxd::new();
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

    fn oci(&self) -> Result<Oci> {
        if let Some(directory) = self.workdir.as_ref().filter(|directory| !directory.starts_with('/')) {
            bail!("`{}` is no directory to start in: it does not begin with a slash", directory.escape_debug());
        }
        let pairs = |pairs: &[Pair]| pairs.iter().map(|Pair { key, value }| (key.clone(), value.clone())).collect();
        let env: BTreeMap<String, String> = pairs(&self.env);
        let mut oci = Oci::new().run(Run {
            cmd: self.cmd.clone(),
            entrypoint: self.entrypoint.clone(),
            env: env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            labels: pairs(&self.label),
            user: self.user.clone(),
            working_dir: self.workdir.clone(),
        });
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
    let unreadable = || format!("cannot read `{}`", path.display());
    let file = File::open(path).with_context(unreadable)?;
    let mut bytes = Vec::new();
    file.take(Metadata::LIMIT as u64 + 1).read_to_end(&mut bytes).with_context(unreadable)?;
    Metadata::parse(&bytes).map_err(|error| anyhow::anyhow!("`{}` {error}", path.display()))
}

/// When the source of the image was last changed, as <https://reproducible-builds.org/specs/source-date-epoch/> has it.
fn source_date() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    seconds.map(Some).with_context(|| format!("SOURCE_DATE_EPOCH is no number of seconds: {}", text.display()))
}
