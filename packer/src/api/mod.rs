//! What a caller sees: the options of a pack, its result, its measurement.

pub(crate) mod image;
pub(crate) mod measure;
pub(crate) mod pack;

// Any thread may own or share what a caller holds; an async runtime needs that.
const _: () = {
    const fn is_shareable<Value: Send + Sync + 'static>() {}

    is_shareable::<crate::CancelToken>();
    is_shareable::<crate::Compression>();
    is_shareable::<crate::Error>();
    is_shareable::<crate::Fingerprint>();
    is_shareable::<crate::Format>();
    is_shareable::<crate::Image>();
    is_shareable::<crate::Measurement>();
    is_shareable::<crate::Pack>();
    is_shareable::<crate::Progress>();
    #[cfg(feature = "read")]
    {
        is_shareable::<crate::Difference>();
        is_shareable::<crate::Source>();
        is_shareable::<crate::Summary>();
        is_shareable::<crate::Verified>();
    }
};
