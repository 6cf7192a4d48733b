//! The command line as records keep it: without the places of this machine.

/// Options whose values are places, and the names that stand for them in a record.
const PLACES: [(&str, &str); 3] = [("--rootfs", "$ROOTFS"), ("--scratch", "$SCRATCH"), ("--results", "$RESULTS")];

/// The command line of this process, as `cargo xtask bench --rootfs $ROOTFS --pairs 7`.
pub(crate) fn command_line() -> String {
    without_places(std::env::args().skip(1))
}

fn without_places(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cargo".to_owned(), "xtask".into()];
    let mut place = None;
    for argument in arguments {
        let option = argument.split_once('=').map_or(&argument[..], |(option, _)| option);
        let named = PLACES.iter().find(|(name, _)| *name == option).map(|(_, place)| (*place).to_owned());
        words.push(match (place.take(), named) {
            (Some(place), _) => place,
            (None, Some(named)) if option.len() < argument.len() => format!("{option}={named}"),
            (None, named) => {
                place = named;
                // An argument of a process holds no NUL, which is all that cannot be quoted.
                shlex::try_quote(&argument).map_or_else(|_| argument.clone(), String::from)
            }
        });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_has_no_places_and_can_be_repeated() {
        let recorded = |words: &[&str]| without_places(words.iter().map(|word| (*word).to_owned()));
        let command = recorded(&["bench", "--rootfs", "/home/me/tree", "--scratch=/mnt/x", "--subject", "it's mine"]);
        let words = ["cargo", "xtask", "bench", "--rootfs", "$ROOTFS", "--scratch=$SCRATCH", "--subject", "it's mine"];
        assert_eq!(shlex::split(&command).unwrap(), words);
        assert_eq!(recorded(&["bench", "--rootfs", "--scratch"]), "cargo xtask bench --rootfs $ROOTFS");
        assert_eq!(recorded(&["bench", "--pairs", "7"]), "cargo xtask bench --pairs 7");
    }
}
