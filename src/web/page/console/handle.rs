//! The handle of the console, for its components.

use leptos::prelude::*;

use crate::ui::console::scroll::ScrollStep;
use crate::ui::console::view_model::ConsoleModel;
use crate::web::page::console::controller::{Console, ConsoleEvent};
use crate::web::page::console::signals::ConsoleSignals;

/// The console, for its components.
#[derive(Clone, Copy)]
pub struct ConsoleHandle(StoredValue<Console, LocalStorage>);

impl ConsoleHandle {
    pub(super) fn new(console: Console) -> Self {
        Self(StoredValue::new_local(console))
    }

    pub(super) fn with<T>(self, act: impl FnOnce(&Console) -> T) -> T {
        self.0.with_value(act)
    }

    pub(super) fn signals(self) -> ConsoleSignals {
        self.with(|console| console.0.signals)
    }

    /// Asks the page for something.
    pub(super) fn emit(self, event: ConsoleEvent) {
        self.with(|console| console.emit(event));
    }

    /// Moves by a key.
    pub(super) fn step(self, step: ScrollStep) {
        self.with(|console| console.step(step));
    }

    /// Returns what a button does that asks the page for something.
    pub(super) fn emits(self, event: ConsoleEvent) -> Callback<()> {
        Callback::new(move |()| self.emit(event.clone()))
    }

    /// Returns what a button does with the model.
    pub(super) fn acts(self, act: fn(&mut ConsoleModel)) -> Callback<()> {
        Callback::new(move |()| self.with(|console| console.act(act)))
    }
}
