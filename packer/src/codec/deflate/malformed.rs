//! What can be wrong with a DEFLATE stream.

/// The bytes are not a complete DEFLATE stream, or our encoder would not write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the compressed segment ends within a block")]
    CutShort,
    #[error("the compressed segment has a block of unknown type")]
    UnknownType,
    #[error("the compressed segment has a stored block whose length is damaged")]
    StoredLength,
    #[error("the compressed segment has more codes than their alphabet")]
    TooManyCodes,
    #[error("the compressed segment has a repetition of no code length")]
    RepeatsNothing,
    #[error("the compressed segment has codes that are too many or too few for their lengths")]
    Incomplete,
    #[error("the compressed segment has a code without a symbol")]
    NoSuchCode,
    #[error("the compressed segment ends with bits that are not zero")]
    Padding,
}
