//! The fields that forms have in common: errors and numbers.

use std::fmt;

/// An error that a person has to correct, and its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError<F> {
    /// The field with the error.
    pub field: F,
    /// What is wrong and what to do.
    pub message: String,
}

impl<F> FieldError<F> {
    pub(crate) fn new(field: F, message: impl fmt::Display) -> Self {
        Self { field, message: message.to_string() }
    }
}

/// Returns an optional number as typed.
pub(crate) fn typed_number(number: Option<u32>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// Why a text isn't a number of the required kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Enter a number from {least} to {most}{}.", if *may_be_empty { ", or leave empty" } else { "" })]
pub struct NumberError {
    least: u32,
    most: u32,
    may_be_empty: bool,
}

/// Parses a number that may be left empty.
pub(crate) fn number(text: &str, range: std::ops::RangeInclusive<u32>) -> Result<Option<u32>, NumberError> {
    match text.trim() {
        "" => Ok(None),
        text => whole_number(text, range).map(Some).map_err(|error| NumberError { may_be_empty: true, ..error }),
    }
}

/// Parses a number that is required.
pub(crate) fn whole_number(text: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, NumberError> {
    let text = text.trim();
    // `parse` would also accept "+5", which nobody writes on purpose.
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let error = NumberError { least: *range.start(), most: *range.end(), may_be_empty: false };
    digits.and_then(|text| text.parse().ok()).filter(|number| range.contains(number)).ok_or(error)
}
