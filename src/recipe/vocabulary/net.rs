//! Actions that ask something over a network, and wait for an answer.

use super::action::Action;
use super::command::RUN_FIELDS;
use super::shape::{Fields, Param, Shape};
use crate::recipe::ErrorKind;

/// What `http` takes; also as a probe of `wait`.
const HTTP_FIELDS: Fields = Fields::new(&[
    Param::new("url", Shape::Url, "Where the request goes.").required(),
    Param::new(
        "method",
        Shape::Word(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        "GET, or POST with a body.",
    ),
    Param::new(
        "query",
        Shape::Map(&Shape::Any),
        "Query parameters, encoded and appended.",
    ),
    Param::new(
        "headers",
        Shape::Map(&Shape::Text),
        "Headers of the request.",
    ),
    Param::new("json", Shape::Any, "A body as JSON."),
    Param::new("body", Shape::Text, "A body as it is."),
    Param::new(
        "form",
        Shape::Map(&Shape::Text),
        "A body as an HTML form's.",
    ),
    Param::new(
        "multipart",
        Shape::Map(&Shape::Any),
        "Parts of a multipart body: texts, or `{file: PATH}`.",
    ),
    Param::new(
        "follow",
        Shape::Word(&["sse"]),
        "Reads server-sent events until the stream ends.",
    ),
    Param::new(
        "last_event_id",
        Shape::Text,
        "Where a stream of events goes on.",
    )
    .with("follow"),
    Param::new(
        "log_as",
        Shape::Text,
        "Each event is a log entry, `{level, message}`: it is shown at its level, under this name.",
    )
    .with("follow"),
    Param::new(
        "silence",
        Shape::Duration,
        "A stream on which nothing has come for so long is `lost`.",
    )
    .with("follow"),
    Param::new(
        "redirects",
        Shape::Integer(0, 20),
        "How many redirects are followed.",
    )
    .default("5"),
    Param::new(
        "ca",
        Shape::Path,
        "A CA certificate (PEM) that is trusted too.",
    ),
])
.short("url")
.at_most_one(&["json", "body", "form", "multipart"]);

pub(super) const HTTP: Action = Action::new("http", "Makes an HTTP request.", HTTP_FIELDS)
    .progress()
    .seconds(30)
    .raises(&[
        ErrorKind::Unreachable,
        ErrorKind::Lost,
        ErrorKind::Http,
        ErrorKind::Mismatch,
    ])
    .gives(&[
        "status",
        "headers",
        "body",
        "json",
        "lines",
        "url",
        "last_event_id",
        "events",
        "logged",
        "truncated",
    ]);

pub(super) const WAIT: Action = {
    let mut action = Action::new(
        "wait",
        "Probes until something holds.",
        Fields::new(&[
            Param::new("ssh", Shape::Host, "Probe: the host lets us log in."),
            Param::new(
                "tcp",
                Shape::HostPort,
                "Probe: something listens at `host:port`.",
            ),
            Param::new(
                "ping",
                Shape::Text,
                "Probe: the address answers an ICMP echo.",
            ),
            Param::new(
                "http",
                Shape::Fields(&HTTP_FIELDS),
                "Probe: a request is answered as `expect` says.",
            ),
            Param::new(
                "run",
                Shape::Fields(&RUN_FIELDS),
                "Probe: a command ends as `expect` says.",
            ),
            Param::new(
                "steps",
                Shape::Steps(&["run", "read", "http", "assert", "set", "sleep"]),
                "Probe: all steps end well.",
            ),
            Param::new(
                "authorize",
                Shape::Boolean,
                "With `ssh`: our key is put there by password.",
            )
            .with("ssh")
            .default("false"),
            Param::new(
                "changed_since",
                Shape::Text,
                "With `ssh`: a boot id that must have changed.",
            )
            .with("ssh"),
            Param::new(
                "down",
                Shape::Boolean,
                "With `ping`: wait until it is gone.",
            )
            .with("ping")
            .default("false"),
            Param::new(
                "until",
                Shape::Deferred,
                "Whether what the probe saw (`result`) is enough.",
            )
            .default("true"),
            Param::new(
                "abort_when",
                Shape::Deferred,
                "Where it holds, waiting has no more sense: `mismatch`.",
            ),
            Param::new(
                "abort_on",
                Shape::Kinds,
                "Errors of the probe that end the waiting.",
            )
            .default("[]"),
            Param::new("every", Shape::Duration, "Time from probe to probe.").default("5s"),
            Param::new("each", Shape::DurationOrNone, "Bound on one probe.").default("10s"),
        ])
        .one_of(&["ssh", "tcp", "ping", "http", "run", "steps"]),
    )
    .on_host()
    .without_defaults()
    .raises(&[
        ErrorKind::Mismatch,
        ErrorKind::Unreachable,
        ErrorKind::Lost,
        ErrorKind::Auth,
        ErrorKind::Exit,
        ErrorKind::Http,
        ErrorKind::Io,
    ])
    .gives(&[
        "elapsed", "probes", "boot_id", "stdout", "stderr", "exit", "status", "headers", "body",
        "text", "json", "lines", "url", "exists", "paths",
    ]);
    action.bound_required = true;
    action
};
