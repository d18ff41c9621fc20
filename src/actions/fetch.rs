//! The head of a file that comes over HTTP: asked for, answered, refused.

use serde_json::json;

use super::exec::stopped;
use super::fields::{Field, Text};
use super::{PlanContext, StepContext, StepError, paths};
use crate::recipe::{ErrorKind, Verdict};
use crate::transport::{HttpRequest, HttpResponse};

/// A file on a server.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    url: Text,
    headers: Vec<(String, Text)>,
    /// Whether the job may have chosen the URL: then it is to blame for what the server refuses.
    from_job: bool,
}

impl Remote {
    /// The file that the parameter `key` names.
    ///
    /// # Errors
    /// `input`: it is no text.
    pub(super) fn of(cx: &PlanContext, key: &str, field: &Field) -> Result<Self, StepError> {
        Ok(Self {
            url: field.text()?,
            headers: Vec::new(),
            from_job: paths::may_be_the_jobs(cx, key),
        })
    }

    /// With headers of the recipe's own; one that is none is not sent.
    ///
    /// # Errors
    /// `input`: they are no map of texts.
    pub(super) fn with_headers(mut self, headers: &Field) -> Result<Self, StepError> {
        for (name, value) in headers.map()? {
            if !value.is_none() {
                self.headers.push((name.clone(), value.text()?));
            }
        }
        Ok(self)
    }

    /// As a person reads it.
    pub(super) fn shown(&self) -> String {
        format!("GET {}", self.url.shown())
    }

    /// The URL itself.
    pub(super) fn url(&self) -> &str {
        &self.url.value
    }

    /// The URL, its secrets hidden.
    pub(super) fn shown_url(&self) -> &str {
        self.url.shown()
    }

    /// The headers as a person reads them.
    pub(super) fn shown_headers(&self) -> impl Iterator<Item = String> {
        self.headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.shown()))
    }

    /// Asks for it; an answer with one of these statuses, whose body has not been read yet.
    ///
    /// # Errors
    /// `http`: another status. And those of the server.
    pub(super) async fn get(
        &self,
        more: &[(&str, String)],
        statuses: &[u16],
        cx: &StepContext,
    ) -> Result<HttpResponse, StepError> {
        let what = self.shown();
        let mut request = HttpRequest::get(&self.url.value);
        let own = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.value.clone()));
        let more = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        request.headers = own.chain(more).collect();
        let response = tokio::select! {
            biased;
            () = cx.stop.wanted() => return Err(stopped(&what)),
            answer = cx.lab.http().send(request) => answer,
        };
        let response = response.map_err(|fault| StepError::from_fault(&what, &fault))?;
        let status = response.status;
        if statuses.contains(&status) {
            return Ok(response);
        }
        let job = self.from_job && (400..500).contains(&status);
        let message = format!("{what} was answered with HTTP status {status}");
        Err(StepError::new(ErrorKind::Http, message)
            .with_output(json!({ "status": status }))
            .with_verdict(job.then_some(Verdict::Job)))
    }
}
