//! The worked examples of the semantics, each with its number there.

use crate::notation::recipe;
use crate::player::{Played, play};

/// The values that all examples read.
const VARS: &str = "{letters: [p, q], nothing: [], word: x, never: false, n: 0}";

#[track_caller]
fn case(stage: &str, events: &str, path: &str, exit: u8) {
    let played = play(&recipe(stage, VARS), events);
    let path = path.to_owned();
    assert_eq!(played, Played { path, exit });
}

#[test]
fn worked_examples() {
    // 1: … unnamed, all but `input` and `cancelled`: `auth` and `lost` are retried as any other
    case(
        r#"{do: [a], retry: 9}"#,
        "a: raise auth, raise lost, raise mismatch, raise input",
        "a a a a",
        1,
    );
    // 2: scope retry: exits first, then everything anew
    case(
        r#"{initial: s, states: {s: {enter: [e], initial: a, states: {a: {do: [a], next: done}}, exit: ['x?'], retry: 2, next: done}}}"#,
        "a: exit 1, ok",
        "e a x:exit e a x:ok",
        0,
    );
    // 3: catch leaves the scope first, with the error's kind
    case(
        r#"{initial: s, states: {s: {initial: a, exit: ['x?'], next: done, states: {a: {do: [a], catch: h, next: done}}}, h: {do: ['h!'], next: done}}}"#,
        "a: exit 1",
        "a x:exit h:exit",
        0,
    );
    // 4: `catch: done` completes the scope around, with ok
    case(
        r#"{initial: s, states: {s: {initial: a, exit: ['x?'], states: {a: {do: [a], catch: done, next: b}, b: {do: [b], next: done}}, next: c}, c: {do: [c], next: done}}}"#,
        "a: exit 1",
        "a x:ok c",
        0,
    );
    // 5: an exit step fails after success: raised; no retry of its scope, but its catch
    case(
        r#"{initial: s, states: {s: {initial: a, states: {a: {do: [a], next: done}}, exit: [x, y], retry: 3, catch: h, next: done}, h: {do: ['h!'], next: done}}}"#,
        "x: exit 1",
        "a x y h:exit",
        0,
    );
    // 6: … and the retry of the scope around it does apply
    case(
        r#"{retry: 2, initial: s, states: {s: {initial: a, states: {a: {do: [a], next: done}}, exit: [x], next: done}}}"#,
        "x: exit 1, ok",
        "a x a x",
        0,
    );
    // 7: an exit step fails after an error: the error stays
    case(
        r#"{initial: s, states: {s: {initial: a, states: {a: {do: [a], next: done}}, exit: [x, y], catch: {timeout: t, exit: h}, next: done}, h: {do: [h], next: done}, t: {do: [t], next: done}}}"#,
        "a: raise timeout; x: exit 1",
        "a x y t",
        0,
    );
    // 8: … an exit step fails on that way: the move is given up
    case(
        r#"{initial: p, states: {p: {initial: q, exit: ['x?'], catch: h, next: done, states: {q: {initial: a, exit: [y], next: done, states: {a: {do: [a], next: z}}}}}, z: {do: [z], next: done}, h: {do: [h], next: done}}}"#,
        "y: exit 1",
        "a y x:exit h",
        0,
    );
    // 9: visit max+1 raises `loop` in the state: its catch; `b` needs no bound of its own
    case(
        r#"{initial: a, states: {a: {do: [a], next: b, max_visits: 2, catch: {loop: c}}, b: {do: [b], next: a}, c: {do: [c], next: done}}}"#,
        "",
        "a b a b c",
        0,
    );
    // 10: visit max+2 raises it from the scope around: so catching one's own loop ends too
    case(
        r#"{initial: a, states: {a: {do: [a], max_visits: 1, catch: {loop: b}, next: b}, b: {do: [b], next: a}}}"#,
        "",
        "a b b",
        1,
    );
    // 11: a guard that is false still counts a visit
    case(
        r#"{initial: a, states: {a: {when: vars.never, max_visits: 2, do: [a], next: b}, b: {do: [b], next: a}}}"#,
        "",
        "b b",
        1,
    );
    // 12: outer bound cuts inner retries; inner catch is passed by, exits run after it
    case(
        r#"{initial: s, states: {s: {timeout: 5s, initial: a, exit: ['x?'], states: {a: {do: [{a: {timeout: 2s}}], retry: {attempts: 9, delay: 1s}, catch: c, next: done}, c: {do: [c], next: done}}, catch: {timeout: t}, next: done}, t: {do: [t], next: done}}}"#,
        "a: timeout",
        "a a x:timeout t",
        0,
    );
    // 13: at its limit is over it; of two bounds hit at once the outer
    case(
        r#"{initial: s, states: {s: {timeout: 2s, initial: a, states: {a: {do: [{a: {timeout: 2s}}], catch: c, next: done}, c: {do: [c], next: done}}, catch: d, next: done}, d: {do: [d], next: done}}}"#,
        "a: takes 2",
        "a d",
        0,
    );
    // 14: exit steps outlive every bound; the one that lapsed meanwhile is raised after them
    case(
        r#"{initial: s, states: {s: {timeout: 3s, catch: h, next: done, initial: p, states: {p: {initial: a, states: {a: {do: [a], next: done}}, exit: [x, y], next: done}}}, h: {do: ['h!'], next: done}}}"#,
        "a: takes 1; x: takes 4; y: takes 1",
        "a x y h:timeout",
        0,
    );
    // 15: caught outside the recovery: the handler decides
    case(
        r#"{initial: s, states: {s: {recovery: true, catch: h, initial: a, states: {a: {do: [a], next: done}}, next: done}, h: {do: [h], next: done}}}"#,
        "a: exit 1; h: exit 1",
        "a h",
        1,
    );
    // 16: an outer bound that cuts a recovery state at work: 46
    case(
        r#"{timeout: 5s, initial: r, states: {r: {recovery: true, do: [r], next: done}}}"#,
        "r: timeout",
        "r",
        46,
    );
    // 17: recovery on a step: it alone sets the flag
    case(
        r#"{initial: a, states: {a: {do: [a, {b: {recovery: true}}], retry: {attempts: 2, errors: [timeout]}, next: done}}}"#,
        "a: raise timeout, ok; b: exit 1",
        "a a b",
        46,
    );
    // 18: `end` leaves all scopes; a failure is not an error: no catch, no retry
    case(
        r#"{retry: 2, initial: s, states: {s: {catch: h, initial: a, exit: ['x?'], states: {a: {do: [a], next: f}, f: {end: failure}}, next: done}, h: {do: [h], next: done}}}"#,
        "",
        "a x:failure",
        1,
    );
    // 19: signal in `do`: exits innermost first, nothing caught
    case(
        r#"{initial: s, states: {s: {initial: a, exit: ['x?'], catch: h, states: {a: {do: [a, b], retry: 3, catch: h, next: done}}, next: done}, h: {do: [h], next: done}}, exit: ['y?']}"#,
        "a: signal TERM",
        "a x:cancelled y:cancelled",
        143,
    );
    // 20: signal in an exit step: it ends, the rest run as they began, then cancelled
    case(
        r#"{initial: s, states: {s: {initial: a, exit: ['x?', 'y?'], next: b, states: {a: {do: [a], next: done}}}, b: {do: [b], next: done}}, exit: ['z?']}"#,
        "x: signal INT",
        "a x:ok y:ok z:cancelled",
        130,
    );
    // 21: signal while an error is unwinding: no catch is asked, the error stays
    case(
        r#"{initial: s, states: {s: {initial: a, exit: ['x?'], catch: h, next: done, states: {a: {do: [a], next: done}}}, h: {do: [h], next: done}}, exit: ['y?']}"#,
        "a: exit 1; x: signal INT",
        "a x:exit y:exit",
        130,
    );
    // 22: for_each on a step: each item is a step of its own, with its own retry
    case(
        r#"{do: [{a: {for_each: vars.letters, retry: 2}}, b]}"#,
        "a: ok, exit 1, ok",
        "a:p a:q a:q b",
        0,
    );
    // 23: allow_failure forgives after the step's retry, but not an outer bound
    case(
        r#"{timeout: 9s, do: [{a: {allow_failure: true, retry: 2}}, {b: {allow_failure: true}}, c]}"#,
        "a: exit 1; b: timeout",
        "a a b",
        1,
    );
    // 24: needs: unmet after a failed `sets`; nothing is done, no step retry
    case(
        r#"{do: [{a: {sets: {card: host}, allow_failure: true}}, {b: {needs: {card: host}, retry: 3, allow_failure: true}}]}"#,
        "a: exit 1",
        "a",
        1,
    );
    // 25: a failed exit step marked recovery after success: 46
    case(
        r#"{initial: a, states: {a: {do: [a], next: done}}, exit: [{x: {recovery: true}}, y]}"#,
        "x: exit 1",
        "a x y",
        46,
    );
    // 26: … after an error: its error goes on in the place of that one, to the scope's catch
    case(
        r#"{initial: s, states: {s: {initial: a, exit: [w, {x: {recovery: true}}, y], states: {a: {do: [a], next: done}}, catch: {timeout: t, exit: h}, next: done}, t: {do: [t], next: done}, h: {do: ['h!'], next: done}}}"#,
        "a: raise timeout; w: raise io; x: exit 1",
        "a w x y h:exit",
        0,
    );
    // 27: … of a scope with retry: it is not retried, though the error was to be
    case(
        r#"{initial: s, states: {s: {retry: 3, initial: a, exit: [{x: {recovery: true}}], states: {a: {do: [a], next: done}}, next: done}}}"#,
        "a: exit 1; x: exit 1",
        "a x",
        46,
    );
    // 28: … on the way of a caught error's move: the handler does not run
    case(
        r#"{initial: s, states: {s: {initial: a, exit: [{x: {recovery: true}}], states: {a: {do: [a], catch: h, next: done}}, next: done}, h: {do: [h], next: done}}, exit: ['y?']}"#,
        "a: raise timeout; x: exit 1",
        "a x y:exit",
        46,
    );
    // 29: … when cancelled: 46 all the same, and its catch is not asked
    case(
        r#"{initial: s, states: {s: {initial: a, catch: h, exit: [{x: {recovery: true, retry: 2}}], states: {a: {do: [a], next: done}}, next: done}, h: {do: [h], next: done}}, exit: ['y?']}"#,
        "a: signal TERM; x: exit 1",
        "a x x y:exit",
        46,
    );
    // 30: … after `end: failure`: the end is given up
    case(
        r#"{initial: f, states: {f: {end: failure, exit_status: vars.seven}}, exit: [{x: {recovery: true}}]}"#,
        "x: exit 1",
        "x",
        46,
    );
    // 31: … inside a lapsed bound: no handler starts, the bound inherits the flag
    case(
        r#"{timeout: 3s, initial: s, states: {s: {initial: a, catch: h, exit: [{x: {recovery: true}}], states: {a: {do: [a], next: done}}, next: done}, h: {do: [h], next: done}}, exit: ['y?']}"#,
        "a: timeout; x: exit 1",
        "a x y:timeout",
        46,
    );
    // 32: for_each on a scope: enter and exit per item, one visit
    case(
        r#"{initial: s, states: {s: {for_each: vars.letters, max_visits: 1, enter: [e], initial: a, exit: ['x?'], states: {a: {do: [a], next: done}}, next: b}, b: {do: [b], next: done}}}"#,
        "",
        "e:p a:p x:ok:p e:q a:q x:ok:q b",
        0,
    );
    // 33: for_each on a leaf: retry and timeout are per item; catch sees the whole, the rest is left out
    case(
        r#"{initial: l, states: {l: {for_each: vars.letters, timeout: 3s, retry: 2, do: [a], catch: h, next: done}, h: {do: ['h!'], next: done}}}"#,
        "a: takes 2, exit 1, timeout",
        "a:p a:q a:q h:timeout",
        0,
    );
    // 34: … but a move out of an item leaves the rest
    case(
        r#"{initial: s, states: {s: {for_each: vars.letters, on_item_error: continue, initial: a, states: {a: {do: [a], next: z}}, next: done}, z: {do: [z], next: done}}}"#,
        "",
        "a:p z",
        0,
    );
    // 35: for_each over what is no list: `input` in the state, not retried; over an empty one: `next`
    case(
        r#"{initial: m, states: {m: {for_each: vars.nothing, do: [m], next: l}, l: {for_each: vars.word, retry: 2, do: [l], catch: h, next: done}, h: {do: ['h!'], next: done}}}"#,
        "",
        "h:input",
        0,
    );
    // 36: between: after the delay, before each further try, of a scope after its exits
    case(
        r#"{initial: s, states: {s: {initial: a, exit: ['x?'], states: {a: {do: [a], next: done}}, retry: {attempts: 3, delay: 4s, between: [b]}, next: done}}}"#,
        "a: exit 1, ok",
        "a x:exit b a x:ok",
        0,
    );
    // 37: … fails: the retrying ends, the error is its own
    case(
        r#"{initial: l, states: {l: {do: [a], retry: {attempts: 3, between: [b]}, catch: {timeout: t, exit: h}, next: done}, t: {do: [t], next: done}, h: {do: [h], next: done}}}"#,
        "a: raise timeout; b: exit 1",
        "a b h",
        0,
    );
    // 38: … fails after a failed recovery: the flag goes with it
    case(
        r#"{do: [{a: {recovery: true}}], retry: {attempts: 3, between: [b]}}"#,
        "a: exit 1; b: raise io",
        "a b",
        46,
    );
    // 39: call: the error keeps its kind, and meets the step's retry; the caller's names are not seen
    case(
        r#"{procedures: {p: {initial: a, exit: ['x?'], states: {a: {do: [a], next: done}}}}, stage: {do: [{call: p, retry: 2}, b]}}"#,
        "a: raise timeout, ok",
        "a x:timeout a x:ok b",
        0,
    );
    // 40: … `end: success` ends the call, `failure` is `failed` in the caller
    case(
        r#"{procedures: {p: {initial: c, exit: ['x?'], states: {c: {next: [{when: params.good, to: s}, {to: f}]}, s: {end: success}, f: {end: failure}}}}, stage: {initial: l, states: {l: {do: [{call: p, with: {good: true}}, a, {call: p, with: {good: false}}], catch: {failed: h}, next: done}, h: {do: ['h!'], next: done}}}}"#,
        "",
        "x:ok a x:failure h:failed",
        0,
    );
    // 41: … `unrecoverable` ends the stage: neither retried nor forgiven
    case(
        r#"{procedures: {p: {initial: u, states: {u: {end: unrecoverable}}, exit: ['x?']}}, stage: {initial: l, states: {l: {do: [{call: p, retry: 2, allow_failure: true}], next: done}}, exit: ['y?']}}"#,
        "",
        "x:unrecoverable y:unrecoverable",
        46,
    );
    // 42: … the step's timeout bounds the whole call, and its own retry and catch inside do not take it
    case(
        r#"{procedures: {p: {retry: 2, initial: a, exit: ['x?'], states: {a: {do: [a], catch: b, next: done}, b: {do: [b], next: done}}}}, stage: {do: [{call: p, timeout: 3s, retry: 2}]}}"#,
        "a: timeout, ok",
        "a x:timeout a x:ok",
        0,
    );
    // 43: … recovery inside a procedure is 46 outside, unless forgiven
    case(
        r#"{procedures: {p: {do: [{a: {recovery: true}}]}}, stage: {do: [{call: p, allow_failure: [exit]}, {call: p}]}}"#,
        "a: exit 1",
        "a a",
        46,
    );
    // 44: guards over what earlier steps set; `vars` stay over a retry
    case(
        r#"{initial: c, states: {c: {max_visits: 9, do: [{set: {n: '{{ vars.n + 1 }}'}}, a], retry: 2, next: [{when: vars.n < 4, to: c}, {to: done}]}}}"#,
        "a: exit 1, ok",
        "a a a a",
        0,
    );
}
