//! Finds the texts among the string literals of Rust.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

use crate::html::VISIBLE_ATTRIBUTES;
use crate::{has_word, without_placeholders};

/// Attributes and properties that are never shown, although their values can look like texts.
const HIDDEN_ATTRIBUTES: [&str; 12] = [
    "accept",
    "aria-controls",
    "aria-describedby",
    "aria-keyshortcuts",
    "aria-labelledby",
    "class",
    "d",
    "id",
    "points",
    "prefix",
    "style",
    "viewBox",
];

/// Fields of structs whose value is shown.
pub(crate) const TEXT_FIELDS: [&str; 8] = ["hint", "keys", "label", "message", "reason", "summary", "title", "words"];

/// Functions are about texts if one of these is a word of their name.
pub(crate) const TEXT_FUNCTIONS: [&str; 11] =
    ["advice", "describe", "explain", "hint", "label", "reason", "status", "summary", "text", "title", "words"];

/// Macros whose message no user sees, or which hold names and no texts.
pub(crate) const HIDDEN_MACROS: [&str; 16] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "include_bytes",
    "include_str",
    "matches",
    "option_env",
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
];

/// Methods and functions whose arguments are names, selectors, patterns or messages for developers.
pub(crate) const HIDDEN_METHODS: [&str; 23] = [
    "add_event_listener_with_callback",
    "class",
    "closest",
    "contains",
    "ends_with",
    "env",
    "expect",
    "expect_err",
    "find",
    "get_attribute",
    "has_attribute",
    "query_selector",
    "query_selector_all",
    "remove_attribute",
    "remove_property",
    "rsplit_once",
    "set_class_name",
    "set_property",
    "split",
    "split_once",
    "starts_with",
    "strip_prefix",
    "strip_suffix",
];

/// Starts of literals that look like texts and aren't: CSS, JavaScript, HTTP headers, HTML attributes, JSON, and
/// references to the standard.
const NOT_TEXTS: [&str; 29] = [
    "(MQTT",
    "(display-mode",
    "(max-width",
    "(prefers",
    "<",
    "[MQTT",
    "attr ",
    "block ",
    "const ",
    "default-src",
    "font-size",
    "import ",
    "input, ",
    "impl ",
    "letter-spacing",
    "mut ",
    "no-cache",
    "noopener",
    "not all",
    "public, ",
    "row speaker",
    "section ",
    "translate",
    "url(",
    "{\"",
    "{:<",
    "{:>",
    "{{",
    "{}-",
];

/// Returns the texts of a source file.
pub(crate) fn texts_of_rust(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).expect("Rust that compiles");
    let mut texts = RustTexts::default();
    texts.visit_file(&file);
    texts.found
}

/// Collects texts in the order of the code.
#[derive(Default)]
struct RustTexts {
    found: Vec<String>,
    /// Whether the place says that every literal is shown.
    is_shown: bool,
    /// Whether the item's doc comments become help.
    is_clap: bool,
}

impl RustTexts {
    fn add(&mut self, text: &str) {
        let is_text = !NOT_TEXTS.iter().any(|start| text.starts_with(start)) && has_word(text);
        if is_text && (self.is_shown || reads_as_text(text)) {
            self.found.push(text.to_owned());
        }
    }

    fn within(&mut self, is_shown: bool, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.is_shown, is_shown);
        visit(self);
        self.is_shown = outer;
    }

    /// Visits the body of a function; everything in it is shown if its name says so.
    fn function(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        if !is_test(attributes) {
            let name = name.to_string();
            let is_about_text = name.split('_').any(|word| TEXT_FUNCTIONS.contains(&word));
            self.within(is_about_text && !name.starts_with("set_"), visit);
        }
    }

    /// Visits a type; doc comments in it are help if clap derives something for it.
    fn item(&mut self, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        if is_test(attributes) {
            return;
        }
        let derives = |names: &[&str]| attributes.iter().any(|attribute| derives_one_of(attribute, names));
        if derives(&["Parser"]) {
            self.help(attributes);
        }
        let is_clap = derives(&["Parser", "Args", "Subcommand", "ValueEnum"]);
        let outer = std::mem::replace(&mut self.is_clap, is_clap);
        visit(self);
        self.is_clap = outer;
    }

    /// Adds a doc comment, each paragraph as one text, as clap shows it.
    fn help(&mut self, attributes: &[syn::Attribute]) {
        let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => string_of(&pair.value),
            _ => None,
        });
        let lines: Vec<_> = lines.map(|line| line.trim().to_owned()).collect();
        for paragraph in lines.split(String::is_empty) {
            self.shown(&paragraph.join(" "));
        }
    }

    /// Visits what a macro is called with: expressions if it can be read so, else tokens.
    fn macro_arguments(&mut self, name: &str, tokens: TokenStream) {
        if HIDDEN_MACROS.contains(&name) {
            return;
        }
        let expressions = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        match expressions.parse2(tokens.clone()) {
            Ok(parts) if name == "concat" => self.add(&parts.iter().filter_map(string_of).collect::<String>()),
            Ok(expressions) => expressions.iter().for_each(|expression| self.visit_expr(expression)),
            Err(_) => self.tokens(tokens, name == "view"),
        }
    }

    /// Collects texts among tokens that aren't plain Rust, such as those of `view!`.
    fn tokens(&mut self, tokens: TokenStream, is_view: bool) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            let before = &tokens[..index];
            match token {
                TokenTree::Literal(_) if is_pattern_or_operand(&tokens, index) => {}
                // Two literals without a tag between them are one text.
                TokenTree::Literal(_) if is_view && matches!(before.last(), Some(TokenTree::Literal(_))) => {}
                TokenTree::Literal(_) => {
                    let is_followed = |token: &&TokenTree| matches!(token, TokenTree::Literal(_));
                    let text =
                        tokens[index..].iter().take_while(is_followed).take(if is_view { usize::MAX } else { 1 });
                    self.token_text(
                        &text.map(string_of_token).collect::<String>(),
                        attribute_before(before).as_deref(),
                        is_view,
                    );
                }
                TokenTree::Group(group) if !is_hidden_call(before) => {
                    self.group(group, attribute_before(before).as_deref());
                }
                TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    /// Adds a text among tokens, as the value of this attribute or else between two tags.
    fn token_text(&mut self, text: &str, attribute: Option<&str>, is_view: bool) {
        match attribute {
            Some(name) if VISIBLE_ATTRIBUTES.contains(&name) => self.shown(text),
            Some(name) if is_view && (HIDDEN_ATTRIBUTES.contains(&name) || starts_lowercase(text)) => {}
            None if is_view => self.shown(text),
            _ => self.add(text),
        }
    }

    /// Collects texts in brackets among tokens.
    fn group(&mut self, group: &proc_macro2::Group, attribute: Option<&str>) {
        let is_named = |names: &[&str]| attribute.is_some_and(|name| names.contains(&name));
        if is_named(&HIDDEN_ATTRIBUTES) {
            return;
        }
        let is_shown = self.is_shown || is_named(&VISIBLE_ATTRIBUTES);
        self.within(is_shown, |texts| {
            let block = || syn::Block::parse_within.parse2(group.stream());
            let expressions = || Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated.parse2(group.stream());
            match group.delimiter() {
                Delimiter::Brace => match block() {
                    Ok(statements) => statements.iter().for_each(|statement| texts.visit_stmt(statement)),
                    Err(_) => texts.tokens(group.stream(), false),
                },
                _ => match expressions() {
                    Ok(expressions) => expressions.iter().for_each(|expression| texts.visit_expr(expression)),
                    Err(_) => texts.tokens(group.stream(), false),
                },
            }
        });
    }

    fn shown(&mut self, text: &str) {
        self.within(true, |texts| texts.add(text));
    }
}

impl<'ast> Visit<'ast> for RustTexts {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("error") => {
                self.within(true, |texts| texts.macro_arguments("error", list.tokens.clone()));
            }
            syn::Meta::List(list) if list.path.is_ident("arg") || list.path.is_ident("command") => {
                self.tokens(list.tokens.clone(), false);
            }
            _ => {}
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if self.is_clap {
            self.help(&field.attrs);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if self.is_clap {
            self.help(&variant.attrs);
        }
        visit::visit_variant(self, variant);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_test(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.item(&item.attrs, |texts| visit::visit_item_struct(texts, item));
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.item(&item.attrs, |texts| visit::visit_item_enum(texts, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, &item.attrs, |texts| visit::visit_item_fn(texts, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, &item.attrs, |texts| visit::visit_impl_item_fn(texts, item));
    }

    fn visit_expr_lit(&mut self, literal: &'ast syn::ExprLit) {
        if let syn::Lit::Str(text) = &literal.lit {
            self.add(&text.value());
        }
    }

    fn visit_pat(&mut self, pattern: &'ast syn::Pat) {
        if !matches!(pattern, syn::Pat::Lit(_) | syn::Pat::Range(_)) {
            visit::visit_pat(self, pattern);
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let is_comparison = matches!(binary.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_));
        for operand in [&binary.left, &binary.right] {
            if !(is_comparison && matches!(**operand, syn::Expr::Lit(_))) {
                self.visit_expr(operand);
            }
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        if HIDDEN_METHODS.contains(&name.as_str()) {
            // A list of names that one is looked for in.
            if !matches!(*call.receiver, syn::Expr::Array(_)) {
                self.visit_expr(&call.receiver);
            }
        } else if name.starts_with("set_attribute") {
            self.visit_expr(&call.receiver);
            let name = call.args.first().and_then(string_of).unwrap_or_default();
            if !HIDDEN_ATTRIBUTES.contains(&name.as_str()) {
                let is_shown = VISIBLE_ATTRIBUTES.contains(&name.as_str());
                self.within(is_shown, |texts| call.args.iter().skip(1).for_each(|value| texts.visit_expr(value)));
            }
        } else {
            visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        let is_shown =
            matches!(&field.member, syn::Member::Named(name) if TEXT_FIELDS.iter().any(|field| name == field));
        self.within(self.is_shown || is_shown, |texts| visit::visit_field_value(texts, field));
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        self.macro_arguments(&name, call.tokens.clone());
    }
}

fn string_of(expression: &syn::Expr) -> Option<String> {
    match expression {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// Returns the value of a literal; empty if it isn't a string.
fn string_of_token(token: &TokenTree) -> String {
    syn::parse_str::<syn::LitStr>(&token.to_string()).map(|literal| literal.value()).unwrap_or_default()
}

fn derives_one_of(attribute: &syn::Attribute, names: &[&str]) -> bool {
    match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("derive") => {
            words_of(&list.tokens.to_string()).any(|name| names.contains(&name))
        }
        _ => false,
    }
}

/// Whether an item exists only for tests.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => {
            list.path.is_ident("cfg") && words_of(&list.tokens.to_string()).any(|word| word == "test")
        }
        syn::Meta::NameValue(_) => false,
    })
}

/// Whether the literal at this index is one that something is compared with.
fn is_pattern_or_operand(tokens: &[TokenTree], index: usize) -> bool {
    let is = |index: Option<usize>, wanted: char| {
        let token = index.and_then(|index| tokens.get(index));
        matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
    };
    let (before, after) = (index.checked_sub(1), Some(index + 1));
    let is_arm = is(after, '=') && is(Some(index + 2), '>');
    let is_alternative = is(after, '|') || is(before, '|');
    let is_compared = is(before, '=') && (is(index.checked_sub(2), '=') || is(index.checked_sub(2), '!'));
    is_arm || is_alternative || is_compared
}

/// Whether brackets after these tokens hold the arguments of a macro or method that shows nothing.
fn is_hidden_call(before: &[TokenTree]) -> bool {
    match before {
        // An attribute, such as a doc comment, of an item that a macro defines.
        [.., TokenTree::Punct(mark)] if mark.as_char() == '#' => true,
        [.., TokenTree::Ident(name), TokenTree::Punct(mark)] if mark.as_char() == '!' => {
            HIDDEN_MACROS.iter().any(|hidden| name == hidden)
        }
        [.., TokenTree::Punct(dot), TokenTree::Ident(name)] if dot.as_char() == '.' => {
            HIDDEN_METHODS.iter().any(|hidden| name == hidden)
        }
        _ => false,
    }
}

/// Returns the name of the attribute whose value comes next: of `aria-label=`, `prop:value=` or `title=move ||`.
fn attribute_before(before: &[TokenTree]) -> Option<String> {
    let mut rest = before;
    // A closure as the value.
    while let [head @ .., TokenTree::Punct(bar)] = rest
        && bar.as_char() == '|'
    {
        rest = head;
    }
    if let [head @ .., TokenTree::Ident(word)] = rest
        && word == "move"
        && head.len() + 1 < before.len()
    {
        rest = head;
    }
    let [head @ .., TokenTree::Punct(equals)] = rest else { return None };
    if equals.as_char() != '=' || equals.spacing() == Spacing::Joint {
        return None;
    }
    let mut name = String::new();
    for token in head.iter().rev() {
        match token {
            TokenTree::Ident(word) if name.is_empty() || name.starts_with('-') => name.insert_str(0, &word.to_string()),
            TokenTree::Punct(dash) if dash.as_char() == '-' && !name.is_empty() => name.insert(0, '-'),
            _ => break,
        }
    }
    (!name.is_empty()).then_some(name)
}

fn starts_lowercase(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_uppercase() || !c.is_ascii())
}

/// Whether a literal has the shape of a text: several words, or one capitalized word.
fn reads_as_text(text: &str) -> bool {
    let words = without_placeholders(text);
    let is_class = text.starts_with('.') && !text.starts_with("..");
    let is_markup =
        text.trim_start().starts_with(['<', '#', '[', '@', '&', '/', '-']) || is_class || text.contains(";base64");
    let is_style = text.contains("px ") || text.contains("em, ") || text.ends_with("px") || text.contains("var(--");
    if is_markup || is_style {
        return false;
    }
    let mut parts = words.split_whitespace();
    match (parts.next(), parts.next()) {
        (None, _) => false,
        (Some(_), None) if !text.contains(char::is_whitespace) => is_capitalized_word(text),
        // A keyword with its separator.
        (Some(word), None) if text.strip_suffix(' ') == Some(word) && starts_lowercase(word) => false,
        _ => words.split_whitespace().any(is_lowercase_word),
    }
}

/// Whether it is a word such as "Settings" or "Save…".
fn is_capitalized_word(word: &str) -> bool {
    let mut letters = word.trim_end_matches(['.', '…', ':', '!', '?']).chars();
    letters.next().is_some_and(char::is_uppercase)
        && letters.clone().next().is_some()
        && letters.all(char::is_lowercase)
}

/// Whether it is letters, with marks around them.
fn is_lowercase_word(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.chars().count() > 1 && word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '’' | '-'))
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
