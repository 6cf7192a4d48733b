//! The examples in the help. A test runs every one of them.

/// Of `onepass --help`.
pub(crate) const OF_ALL: &str = "\
Examples:
  onepass pack rootfs -o images                     Pack a directory
  onepass verify images/*.tar.gz --against rootfs   Check an image, and compare it with a directory
  onepass inspect images/*.tar.gz                   Show format, sizes and largest files
  onepass diff images/*.tar.gz images/*.tar.zst     Compare two images
  onepass completions bash > onepass.bash           Generate completions for bash
  onepass man pack > onepass-pack.1                 Generate the manual page of pack";

/// Of `onepass pack --help`.
pub(crate) const OF_PACK: &str = "\
Examples:
  Pack with gzip, on all cores:
    onepass pack rootfs -o images
  Check the printed fingerprint with another program:
    onepass pack rootfs -o images -c zstd | sha256sum -c
  Show how many entries and bytes the tar would have:
    onepass pack rootfs --dry-run
  Make an image for LXD or Incus (then: lxc image import FILE):
    onepass pack rootfs -o images -f unified --property serial=20260101
  Make an image of two files, and map a container's shifted ids back:
    onepass pack rootfs -o images -f split --idmap both:0:0:65536
  Add an image to an OCI image layout (then: skopeo copy oci:layout:latest …):
    onepass pack rootfs -o layout -f oci --tag latest --entrypoint /bin/sh
  Send the image to another machine, without a file on this one:
    onepass pack rootfs -o - -c zstd | ssh host 'cat > image.tar.zst'
  Keep the image only if it differs from the last one (the file `last` keeps the fingerprint):
    touch last
    onepass pack rootfs -o images $(sed 's/^/--if-changed /' last) > new && cut -c1-64 new > last";

/// Of `onepass verify --help`.
pub(crate) const OF_VERIFY: &str = "\
Examples:
  Check an image:
    onepass verify images/*.tar.gz
  Compare it with the directory that it was packed from, by the same rules:
    onepass verify images/*.tar.gz --against rootfs --exclude 'proc/*'";

/// Of `onepass inspect --help`.
pub(crate) const OF_INSPECT: &str = "\
Examples:
  Show an image of an OCI image layout:
    onepass inspect layout --tag latest
  Print the summary as one JSON object:
    onepass inspect images/*.tar.gz --json";

/// Of `onepass diff --help`.
pub(crate) const OF_DIFF: &str = "\
Examples:
  Compare two images of different formats and compressions:
    onepass diff images/*.tar.zst layout";

/// Of `onepass completions --help`.
pub(crate) const OF_COMPLETIONS: &str = "\
Examples:
  Let bash complete the command from now on:
    onepass completions bash > ~/.local/share/bash-completion/completions/onepass";

/// Of `onepass man --help`.
pub(crate) const OF_MAN: &str = "\
Examples:
  Read the page of a subcommand:
    onepass man pack | man -l -";
