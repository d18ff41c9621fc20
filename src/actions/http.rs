//! `http`: makes an HTTP request.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::json;

use super::exec::{brief, stopped};
use super::fields::{Field, Fields, Text};
use super::follow::Follow;
use super::modifiers::{Modifiers, parse_into, warn_truncated};
use super::output::last;
use super::{
    Deed, Output, Performed, Performing, PlanContext, Request, StepContext, StepError, paths,
};
use crate::recipe::model::TreeKind;
use crate::recipe::template::url_encoded;
use crate::recipe::{ErrorKind, Value, Verdict};
use crate::transport::{FaultKind, HttpContent, HttpPart, HttpPayload, HttpRequest, HttpResponse};

/// Redirects that are followed where the step doesn't say.
const REDIRECTS: u32 = 5;
/// As much of an answer's body as an error shows.
const TAIL: usize = 4096;
/// Methods that may be sent again without a second effect (RFC 9110, section 9.2.2).
const IDEMPOTENT: &[&str] = &["GET", "HEAD", "PUT", "DELETE", "OPTIONS"];

/// A request and what is made of its answer.
#[derive(Clone)]
pub(super) struct Exchange {
    request: HttpRequest,
    /// Read when the request is sent.
    ca: Option<PathBuf>,
    url: Text,
    /// With its query, secrets hidden.
    shown_url: String,
    /// The given ones and our own, secrets hidden.
    shown_headers: BTreeMap<String, String>,
    shown_body: Option<String>,
    follow: Option<Follow>,
    /// Whether the URL is the user's.
    from_job: bool,
    modifiers: Modifiers,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    let from_job = cx
        .step
        .params
        .get("url")
        .is_some_and(|tree| match &tree.kind {
            TreeKind::Template(template) => paths::names(&template.text).any(|name| name == "job"),
            _ => false,
        });
    let exchange = Exchange::of(&fields, cx)?;
    Ok(Box::new(Exchange {
        from_job,
        ..exchange
    }))
}

impl Exchange {
    /// A request of these parameters, with the modifiers of the step.
    pub(super) fn of(fields: &Fields, cx: &PlanContext) -> Result<Self, StepError> {
        let url = fields.need("url")?.text()?;
        let follow = Follow::of(fields)?;
        let mut headers = Vec::new();
        let mut shown_headers = BTreeMap::new();
        if let Some(given) = fields.get("headers") {
            for (name, value) in given.map()?.iter().filter(|(_, value)| !value.is_none()) {
                let value = value.text()?;
                shown_headers.insert(name.clone(), value.shown().to_owned());
                headers.push((name.clone(), value.value));
            }
        }
        if let Some(follow) = &follow {
            headers.extend(follow.headers());
        }
        let (payload, shown_body) = payload(fields, cx, &mut headers)?;
        let has_body = !matches!(payload, HttpPayload::Empty);
        let method = match fields.text("method")? {
            Some(method) => method.value,
            None if has_body => "POST".to_owned(),
            None => "GET".to_owned(),
        };
        let (query, shown_query) = query(fields, url.value.contains('?'))?;
        for (name, value) in &headers {
            let follow = follow.as_ref().filter(|_| name == "last-event-id");
            let value = follow.map_or(value.as_str(), Follow::shown_id);
            shown_headers
                .entry(name.clone())
                .or_insert_with(|| value.to_owned());
        }
        Ok(Self {
            request: HttpRequest {
                method,
                url: url.value.clone(),
                query,
                headers,
                payload,
                redirects: match fields.get("redirects") {
                    Some(field) => u32::try_from(field.integer(0, 20)?).unwrap_or(REDIRECTS),
                    None => REDIRECTS,
                },
                ca: None,
            },
            ca: fields
                .get("ca")
                .map(|field| paths::local(cx, "ca", field))
                .transpose()?,
            shown_url: format!("{}{shown_query}", url.shown()),
            shown_headers,
            shown_body,
            url,
            follow,
            from_job: false,
            modifiers: Modifiers::of(cx.step, cx.context, &[])?,
        })
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let mut lines = vec![self.first_line()];
        let headers = self.shown_headers.iter();
        lines.extend(headers.map(|(name, value)| format!("  {name}: {value}")));
        lines.extend(self.shown_body.iter().map(|body| format!("  {body}")));
        vec![lines.join("\n")]
    }

    pub(super) fn deeds(&self) -> Vec<Deed> {
        vec![Deed::Http {
            method: self.request.method.clone(),
            url: self.shown_url.clone(),
            headers: self.shown_headers.clone(),
            body: self.shown_body.clone(),
        }]
    }

    /// Method and URL, secrets hidden.
    pub(super) fn first_line(&self) -> String {
        format!("{} {}", self.request.method, self.shown_url)
    }

    /// The request as it stands in messages.
    fn name(&self, cx: &StepContext) -> String {
        let shown = format!("{} {}", self.request.method, self.url.shown());
        format!("`{}`", brief(&cx.lab.mask(&shown)))
    }

    pub(super) async fn execute(self, cx: &StepContext) -> Performed {
        let what = self.name(cx);
        let resent = IDEMPOTENT.contains(&self.request.method.as_str());
        tokio::select! {
            done = Box::pin(self.exchange(&what, cx)) => done,
            () = cx.stop.wanted() => Err(StepError {
                // Nobody knows whether a request that was sent has had its effect.
                kind: if resent { ErrorKind::Cancelled } else { ErrorKind::Lost },
                ..stopped(&what)
            }),
        }
    }

    async fn exchange(mut self, what: &str, cx: &StepContext) -> Performed {
        if let Some(path) = &self.ca {
            let pem = tokio::fs::read(path).await.map_err(|error| {
                StepError::io(format!("{} can't be read: {error}", path.display()))
            })?;
            self.request.ca = Some(Bytes::from(pem));
        }
        let expect_lost = self.modifiers.expect.lost;
        let sending = cx.lab.http().send(self.request.clone());
        let sent = match &self.follow {
            Some(follow) => follow.unless_silent(sending).await,
            None => sending.await,
        };
        let response = match sent {
            Ok(response) => response,
            Err(fault) if fault.kind == FaultKind::Lost && expect_lost => {
                let mut fields = serde_json::Map::new();
                fields.insert("status".to_owned(), Value::Null);
                if let Some(follow) = &self.follow {
                    follow.nothing(&mut fields);
                }
                return Ok(Output::of(fields));
            }
            Err(fault) => return Err(StepError::from_fault(what, &fault)),
        };
        let mut fields = head(&response, cx);
        let status = response.status;
        if !self.expects(status) {
            return Err(self.refused(what, response, fields, cx).await);
        }
        if let Some(follow) = &self.follow {
            let room = self.modifiers.max_output;
            let fault = follow.stream(response.body, room, &mut fields, cx).await;
            return match fault {
                Some(fault) if !expect_lost => {
                    Err(StepError::from_fault(what, &fault).with_output(Value::Object(fields)))
                }
                _ => Ok(Output::of(fields)),
            };
        }
        let max = self.modifiers.max_output;
        let read = response.body.read(max).await;
        let (bytes, truncated) = match read {
            Ok(read) => read,
            Err(fault) if expect_lost => {
                drop(fault);
                (Vec::new(), true)
            }
            Err(fault) => {
                return Err(StepError::from_fault(what, &fault).with_output(Value::Object(fields)));
            }
        };
        let body = cx.lab.mask(&String::from_utf8_lossy(&bytes));
        let parse = self.modifiers.parse;
        parse_into(
            &mut fields,
            &format!("the answer to {what}"),
            &body,
            truncated,
            parse,
        )
        .map_err(|error| error.with_tail(last(&body, TAIL)))?;
        fields.insert("body".to_owned(), json!(body));
        fields.insert("truncated".to_owned(), json!(truncated));
        if truncated {
            warn_truncated(max, cx).await;
        }
        Ok(Output::of(fields))
    }

    fn expects(&self, status: u16) -> bool {
        let expect = &self.modifiers.expect;
        if expect.any {
            return true;
        }
        if expect.statuses.is_empty() {
            return (200..300).contains(&status);
        }
        expect.statuses.contains(&u32::from(status))
    }

    async fn refused(
        &self,
        what: &str,
        response: HttpResponse,
        mut fields: serde_json::Map<String, Value>,
        cx: &StepContext,
    ) -> StepError {
        let status = response.status;
        let (bytes, _) = response.body.read(TAIL).await.unwrap_or_default();
        let body = cx.lab.mask(&String::from_utf8_lossy(&bytes));
        fields.insert("body".to_owned(), json!(body));
        let verdict = (self.from_job && (400..500).contains(&status)).then_some(Verdict::Job);
        StepError::new(
            ErrorKind::Http,
            format!("{what} was answered with status {status}"),
        )
        .with_tail(body)
        .with_output(Value::Object(fields))
        .with_verdict(verdict)
    }
}

/// The fields that tell of an answer's head.
fn head(response: &HttpResponse, cx: &StepContext) -> serde_json::Map<String, Value> {
    let mut headers = serde_json::Map::new();
    for (name, value) in &response.headers {
        let value = cx.lab.mask(value);
        match headers.get_mut(name) {
            // RFC 9110, section 5.2: several lines of one name are one list.
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(&value);
            }
            _ => {
                headers.insert(name.clone(), Value::String(value));
            }
        }
    }
    let mut fields = serde_json::Map::new();
    fields.insert("status".to_owned(), json!(response.status));
    fields.insert("headers".to_owned(), Value::Object(headers));
    fields.insert("url".to_owned(), json!(cx.lab.mask(&response.url)));
    fields
}

/// The query as it is sent, and as it is shown; `begun` where the URL has one already.
fn query(fields: &Fields, begun: bool) -> Result<(Vec<(String, String)>, String), StepError> {
    let mut query = Vec::new();
    let mut shown = String::new();
    let Some(given) = fields.get("query") else {
        return Ok((query, shown));
    };
    for (name, value) in given.map()? {
        let values = if value.is_list() {
            value.list()?
        } else {
            std::slice::from_ref(value)
        };
        for value in values.iter().filter(|value| !value.is_none()) {
            let value = value.text()?;
            let mark = if query.is_empty() && !begun { '?' } else { '&' };
            let text = match value.secret {
                true => value.shown().to_owned(),
                false => url_encoded(&value.value),
            };
            shown.push_str(&format!("{mark}{}={text}", url_encoded(name)));
            query.push((name.clone(), value.value));
        }
    }
    Ok((query, shown))
}

/// The body as it is sent, and as it is shown.
fn payload(
    fields: &Fields,
    cx: &PlanContext,
    headers: &mut Vec<(String, String)>,
) -> Result<(HttpPayload, Option<String>), StepError> {
    let bodies = ["json", "body", "form", "multipart"];
    let given: Vec<&str> = bodies
        .into_iter()
        .filter(|key| fields.get(key).is_some())
        .collect();
    if given.len() > 1 {
        return Err(StepError::input(format!(
            "a request has one body, but {} are given",
            crate::diagnostic::list(given.iter().copied(), "and")
        )));
    }
    if let Some(field) = fields.get("json") {
        let typed = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !typed {
            let json = "application/json".to_owned();
            headers.push(("content-type".to_owned(), json));
        }
        let bytes = Bytes::from(field.value().to_string());
        return Ok((HttpPayload::Bytes(bytes), Some(field.shown().to_string())));
    }
    if let Some(field) = fields.get("body") {
        let text = field.text()?;
        let shown = text.shown().to_owned();
        return Ok((HttpPayload::Bytes(Bytes::from(text.value)), Some(shown)));
    }
    if let Some(field) = fields.get("form") {
        let mut pairs = Vec::new();
        for (name, value) in field.map()?.iter().filter(|(_, value)| !value.is_none()) {
            pairs.push((name.clone(), value.text()?.value));
        }
        let shown = format!("form {}", field.shown());
        return Ok((HttpPayload::Form(pairs), Some(shown)));
    }
    if let Some(field) = fields.get("multipart") {
        let mut parts = Vec::new();
        for (name, value) in field.map()?.iter().filter(|(_, value)| !value.is_none()) {
            parts.push(part(name, value, cx)?);
        }
        let shown = format!("multipart {}", field.shown());
        return Ok((HttpPayload::Multipart(parts), Some(shown)));
    }
    Ok((HttpPayload::Empty, None))
}

fn part(name: &str, value: &Field, cx: &PlanContext) -> Result<HttpPart, StepError> {
    let mut file_name = None;
    let content = if value.is_map() {
        let fields = Fields::of(value)?;
        let path = paths::local(cx, "multipart", fields.need("file")?)?;
        file_name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        HttpContent::File(path)
    } else {
        HttpContent::Bytes(Bytes::from(value.text()?.value))
    };
    Ok(HttpPart {
        name: name.to_owned(),
        file_name,
        content_type: None,
        content,
    })
}

impl Request for Exchange {
    fn describe(&self) -> Vec<String> {
        Self::describe(self)
    }

    fn deeds(&self) -> Vec<Deed> {
        Self::deeds(self)
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}
