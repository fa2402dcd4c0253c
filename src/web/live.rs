//! Words and attributes that follow signals, each of one type whatever it is
//! made from. Leptos compiles the code that keeps one up to date once for each
//! type of closure, and a page downloads all of them: a box around the closure
//! costs a call a change and saves a kilobyte.

/// A text or attribute that changes; an empty text shows nothing.
pub type Words = Box<dyn FnMut() -> String + Send>;

/// An attribute that is there or not.
pub type Flag = Box<dyn FnMut() -> bool + Send>;

/// Words that follow signals.
pub fn words(said: impl FnMut() -> String + Send + 'static) -> Words {
    Box::new(said)
}

/// A flag that follows signals.
pub fn flag(is_up: impl FnMut() -> bool + Send + 'static) -> Flag {
    Box::new(is_up)
}
