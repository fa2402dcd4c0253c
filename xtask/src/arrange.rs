//! Reorders a program's functions so that they compress well, and removes duplicates.
//!
//! A compressor encodes how far back a match is, and finds near matches best. `walrus`, and so `wasm-bindgen`, puts the
//! largest functions first, which scatters similar ones; sorting by type and first bytes puts them next to each other.
//! In addition, generic code is compiled once per type, although many types produce the same code.

use std::collections::BTreeMap;
use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, FunctionBody, FunctionSectionReader, Parser, Payload, TypeRef,
};

/// Returns the same program in another order, without custom sections.
///
/// # Errors
/// Fails when the bytes aren't a program.
pub fn arranged(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut module = Module::new();
    let mut arrangement = Arrangement::of(wasm).context("reading its functions")?;
    arrangement.parse_core_module(&mut module, Parser::new(0), wasm).context("writing it anew")?;
    Ok(module.finish())
}

/// The new positions of a program's functions.
struct Arrangement {
    /// The new number of each function, imports first.
    numbers: Vec<u32>,
    /// The indices of the non-imported functions that are kept, in their new order.
    order: Vec<usize>,
}

impl Arrangement {
    fn of(wasm: &[u8]) -> Result<Self, Error> {
        let (mut imports, mut types, mut bodies) = (0, Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imports += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(section) => types = section.into_iter().collect::<Result<_, _>>()?,
                Payload::CodeSectionEntry(body) => bodies.push(body),
                _ => {}
            }
        }

        let mut this = Self { numbers: (0..).take(imports + bodies.len()).collect(), order: Vec::new() };
        loop {
            // Sorted by type and code, with the positions of the functions that have both the same.
            let mut functions = BTreeMap::<_, Vec<_>>::new();
            for (place, (kind, body)) in types.iter().zip(&bodies).enumerate() {
                functions.entry((*kind, this.written(body)?)).or_default().push(place);
            }
            // Functions that differed only in their callees may be the same now.
            let is_settled = functions.len() == this.order.len();
            this.order = functions.values().map(|places| places[0]).collect();
            for (number, places) in functions.values().enumerate() {
                for place in places {
                    let number = if is_settled { number } else { places[0] };
                    this.numbers[imports + place] = (imports + number) as u32;
                }
            }
            if is_settled {
                return Ok(this);
            }
        }
    }

    /// Returns a function's code with its calls renumbered.
    fn written(&mut self, body: &FunctionBody) -> Result<Vec<u8>, Error> {
        let mut function = self.new_function_with_parsed_locals(body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            function.instruction(&self.parse_instruction(&mut reader)?);
        }
        Ok(function.into_raw_body())
    }
}

impl Reencode for Arrangement {
    type Error = Infallible;

    fn function_index(&mut self, number: u32) -> Result<u32, Error> {
        Ok(self.numbers[number as usize])
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        let types = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.order.iter().for_each(|&place| _ = functions.function(types[place]));
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        let bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for place in self.order.clone() {
            code.raw(&self.written(&bodies[place])?);
        }
        Ok(())
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: CustomSectionReader<'_>) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use walrus::{FunctionBuilder, Module, ModuleConfig, ValType};

    use super::*;

    #[test]
    fn what_is_the_same_stays_once_and_exports_find_it() {
        let mut program = Module::with_config(ModuleConfig::new());
        let constant = |program: &mut Module, value| {
            let mut function = FunctionBuilder::new(&mut program.types, &[], &[ValType::I32]);
            function.func_body().i32_const(value);
            function.finish(vec![], &mut program.funcs)
        };
        let caller = |program: &mut Module, callee| {
            let mut function = FunctionBuilder::new(&mut program.types, &[], &[ValType::I32]);
            function.func_body().call(callee);
            function.finish(vec![], &mut program.funcs)
        };
        let (one, also_one, two) = (constant(&mut program, 1), constant(&mut program, 1), constant(&mut program, 2));
        for (name, callee) in [("a", one), ("b", also_one), ("c", two)] {
            let function = caller(&mut program, callee);
            program.exports.add(name, function);
        }
        let arranged = arranged(&program.emit_wasm()).expect("a program");
        let arranged = Module::from_buffer(&arranged).expect("still a program");
        let exported = |name: &str| arranged.exports.get_func(name).expect("a function");
        assert_eq!(arranged.funcs.iter_local().count(), 4);
        assert_eq!(exported("a"), exported("b"));
        assert_ne!(exported("a"), exported("c"));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(arranged(b"nonsense").is_err());
    }
}
