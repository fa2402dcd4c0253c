//! Replays the inputs that the fuzzer kept: see `fuzz/README.md`.

#[path = "fuzz/entry.rs"]
mod entry;

#[test]
fn corpus_inputs_pass() {
    let corpus = include_str!("fuzz/corpus.txt");
    let mut inputs = 0;
    for line in corpus.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal bytes");
        let input: Vec<u8> = (0..line.len()).step_by(2).map(byte).collect();
        entry::run(&input);
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs");
}
