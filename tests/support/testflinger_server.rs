//! The part of Testflinger's server that jobs with child jobs use, on loopback: `POST /v1/job`,
//! `GET /v1/result/ID`, `POST /v1/job/ID/action`, with the statuses and shapes of the real one
//! (github.com/canonical/testflinger, `server/src/testflinger/api/v1.py`), and its failures on order.
#![allow(dead_code, reason = "each test uses its own part")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::http_stand_in::{Answer, Asked, HttpStandIn};

/// What a request is answered with instead.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// 500, with a page for people.
    Broken,
    /// 200, with a page for people: a proxy stands in between.
    Page,
    /// The connection is closed without an answer.
    Dropped,
    /// The request is carried out, and the connection closed without an answer.
    Unanswered,
}

/// A job on the server.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    /// As it was submitted.
    pub(crate) body: Value,
    /// The states that are told one after the other, the last again and again.
    states: Vec<String>,
    device_info: Value,
    pub(crate) cancelled: bool,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    /// Of child jobs to come: the states of each.
    plans: Vec<Vec<String>>,
    faults: Vec<Planned>,
}

/// A fault to come.
struct Planned {
    request: String,
    /// So many requests of that kind come before.
    after: usize,
    fault: Fault,
}

/// The server; it ends with the process.
pub(crate) struct TestflingerServer {
    http: HttpStandIn,
    base: String,
    state: Arc<Mutex<State>>,
}

impl TestflingerServer {
    /// A server whose API is under `base` (empty, or `/a/path`), with a job `parent` that runs.
    pub(crate) fn start(base: &str, parent: &str) -> TestflingerServer {
        let state = Arc::new(Mutex::new(State::default()));
        lock(&state).jobs.push(Job {
            id: parent.to_owned(),
            body: json!({}),
            states: vec!["provision".to_owned()],
            device_info: Value::Null,
            cancelled: false,
        });
        let (served, prefix) = (Arc::clone(&state), base.to_owned());
        let http = HttpStandIn::start(move |asked| lock(&served).serve(&prefix, asked));
        TestflingerServer {
            http,
            base: base.to_owned(),
            state,
        }
    }

    /// What a device config calls it.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.http.url(), self.base)
    }

    /// The next child job goes through these states, one at each look; the last one stays.
    pub(crate) fn plan(&self, states: &[&str]) {
        let states = states.iter().map(|state| (*state).to_owned()).collect();
        lock(&self.state).plans.push(states);
    }

    /// After so many requests that begin with this (`POST /v1/job`) the next one fails so.
    pub(crate) fn fault(&self, request: &str, after: usize, fault: Fault) {
        lock(&self.state).faults.push(Planned {
            request: request.to_owned(),
            after,
            fault,
        });
    }

    /// The parent is in this state from now on.
    pub(crate) fn parent_is(&self, state: &str) {
        lock(&self.state).jobs[0].states = vec![state.to_owned()];
    }

    /// The child jobs, in the order in which they came.
    pub(crate) fn children(&self) -> Vec<Job> {
        lock(&self.state).jobs[1..].to_vec()
    }

    /// All requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.http.requests()
    }

    /// Waits until so many requests for results have come.
    #[track_caller]
    pub(crate) fn wait_for_looks(&self, count: usize) {
        self.http
            .wait_for(&format!("GET {}/v1/result", self.base), count);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn serve(&mut self, base: &str, asked: &Asked) -> Answer {
        let (method, path) = asked.line.split_once(' ').unwrap_or_default();
        let Some(path) = path.strip_prefix(base) else {
            return Answer::Page(404, "text/html", "<h1>Not Found</h1>".to_owned());
        };
        let request = format!("{method} {path}");
        let page = |status, text: &str| Answer::Page(status, "text/html", text.to_owned());
        match self.fault_of(&request) {
            Some(Fault::Broken) => page(500, "<h1>Internal Server Error</h1>"),
            Some(Fault::Page) => page(200, "<h1>Please log in</h1>"),
            Some(Fault::Dropped) => Answer::Dropped,
            Some(Fault::Unanswered) => {
                self.answer(&request, &asked.body);
                Answer::Dropped
            }
            None => {
                let (status, text) = self.answer(&request, &asked.body);
                Answer::Page(status, "application/json", text)
            }
        }
    }

    fn fault_of(&mut self, request: &str) -> Option<Fault> {
        let at = self
            .faults
            .iter()
            .position(|planned| request.starts_with(&planned.request))?;
        match self.faults[at].after.checked_sub(1) {
            Some(left) => {
                self.faults[at].after = left;
                None
            }
            None => Some(self.faults.remove(at).fault),
        }
    }

    fn answer(&mut self, request: &str, body: &str) -> (u16, String) {
        if request == "POST /v1/job" {
            return self.submit(body);
        }
        if let Some(id) = request.strip_prefix("GET /v1/result/") {
            let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else {
                return (204, String::new());
            };
            let state = match job.states.as_slice() {
                _ if job.cancelled => "cancelled".to_owned(),
                [only] => only.clone(),
                _ => job.states.remove(0),
            };
            let mut result = json!({ "job_state": state });
            if state == "allocated" && !job.device_info.is_null() {
                result["device_info"] = job.device_info.clone();
            }
            return (200, result.to_string());
        }
        let action = request
            .strip_prefix("POST /v1/job/")
            .and_then(|rest| rest.strip_suffix("/action"));
        if let Some(id) = action {
            let wanted: Value = serde_json::from_str(body).unwrap_or_default();
            if wanted["action"] != "cancel" {
                return (422, json!({"message": "Validation error"}).to_string());
            }
            let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else {
                return (404, "Job not found\n".to_owned());
            };
            let over = ["complete", "completed", "cancelled"];
            if job.cancelled || job.states.iter().any(|it| over.contains(&it.as_str())) {
                return (
                    400,
                    "The job is already completed or cancelled\n".to_owned(),
                );
            }
            job.cancelled = true;
            return (200, "OK".to_owned());
        }
        (404, json!({"message": "Not Found"}).to_string())
    }

    fn submit(&mut self, body: &str) -> (u16, String) {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if !body["job_queue"].is_string() {
            let message = json!({
                "detail": {"json": {"job_queue": ["Missing data for required field."]}},
                "message": "Validation error",
            });
            return (422, message.to_string());
        }
        let number = self.jobs.len();
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let states = match self.plans.is_empty() {
            true => vec!["allocated".to_owned()],
            false => self.plans.remove(0),
        };
        self.jobs.push(Job {
            id: id.clone(),
            body,
            states,
            device_info: json!({"device_ip": format!("10.0.0.{number}"), "agent_name": format!("a{number}")}),
            cancelled: false,
        });
        (200, json!({ "job_id": id }).to_string())
    }
}
