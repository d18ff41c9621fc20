//! HTTP requests. The only file that names reqwest.
//!
//! TLS is rustls on ring, with the roots of the system and bundled ones, so it works on a machine
//! without certificates too. No proxy is taken from the environment: boards and their servers are
//! near. How long a server may be silent is the caller's to say: dropping a future ends its request.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Certificate, Client, Method, RequestBuilder, Url, redirect};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::fault::{Fault, FaultKind};

/// Bounds name resolution, connection and TLS handshake together.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How often the kernel asks a silent peer whether it is still there (tcp(7), `TCP_KEEPIDLE`).
const KEEPALIVE: Duration = Duration::from_secs(15);

/// One request.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// In capitals: `GET`, `POST`, ...
    pub method: String,
    /// `http` or `https`.
    pub url: String,
    /// Added to the URL's own query.
    pub query: Vec<(String, String)>,
    /// Sent as they are; one that the payload would set is overridden.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub payload: HttpPayload,
    /// How many redirects are followed. With 0 a redirect is an answer like any other.
    pub redirects: u32,
    /// Certificates (PEM) of further authorities that are trusted.
    pub ca: Option<Bytes>,
}

impl HttpRequest {
    /// A `GET` that follows five redirects.
    pub fn get(url: impl Into<String>) -> HttpRequest {
        HttpRequest {
            method: "GET".to_owned(),
            url: url.into(),
            query: Vec::new(),
            headers: Vec::new(),
            payload: HttpPayload::Empty,
            redirects: 5,
            ca: None,
        }
    }
}

/// What a request sends.
#[derive(Clone, Debug)]
pub enum HttpPayload {
    /// Nothing.
    Empty,
    /// These bytes; their type is the caller's header.
    Bytes(Bytes),
    /// `application/x-www-form-urlencoded`
    Form(Vec<(String, String)>),
    /// `multipart/form-data`
    Multipart(Vec<HttpPart>),
}

/// One part of a `multipart/form-data` payload (RFC 7578).
#[derive(Clone, Debug)]
pub struct HttpPart {
    /// The field's name.
    pub name: String,
    /// Marks the part as a file.
    pub file_name: Option<String>,
    /// A media type.
    pub content_type: Option<String>,
    /// What it holds.
    pub content: HttpContent,
}

/// What a part holds.
#[derive(Clone, Debug)]
pub enum HttpContent {
    /// These bytes.
    Bytes(Bytes),
    /// A file, read while it is sent.
    File(PathBuf),
}

/// An answer, whose body has not been read yet.
#[derive(Debug)]
pub struct HttpResponse {
    /// 100 to 999; 2xx is success.
    pub status: u16,
    /// Names in lower case, in the order of arrival. A value that is no text is decoded as far as
    /// it is.
    pub headers: Vec<(String, String)>,
    /// Where the answer came from, after redirects.
    pub url: String,
    /// The body.
    pub body: HttpBody,
}

impl HttpResponse {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The body of an answer, as it arrives.
#[derive(Debug)]
pub struct HttpBody {
    response: reqwest::Response,
    server: String,
}

impl HttpBody {
    /// How many bytes the server has announced.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// `Lost`: the connection ended before the body did.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        self.response
            .chunk()
            .await
            .map_err(|error| cut_short(&self.server, &error))
    }

    /// Reads at most `limit` bytes; tells whether there were more.
    ///
    /// # Errors
    /// As [`chunk`](HttpBody::chunk).
    pub async fn read(mut self, limit: usize) -> Result<(Vec<u8>, bool), Fault> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let room = limit.saturating_sub(bytes.len());
            match chunk.get(..room) {
                Some(fitting) if room < chunk.len() => {
                    bytes.extend_from_slice(fitting);
                    return Ok((bytes, true));
                }
                _ => bytes.extend_from_slice(&chunk),
            }
        }
        Ok((bytes, false))
    }
}

/// What distinguishes one client of reqwest from another.
type Kind = (u32, Option<Bytes>);

/// The HTTP client of a run. It keeps connections for reuse.
#[derive(Debug, Default)]
pub struct Http {
    clients: Mutex<HashMap<Kind, Client>>,
}

impl Http {
    /// A client. Nothing is set up before the first request.
    pub fn new() -> Http {
        Http::default()
    }

    /// Sends a request and returns once the head of the answer is there, whatever its status.
    ///
    /// # Errors
    /// `Input`: the request makes no sense. `Unreachable`: no name, connection or TLS session.
    /// `Lost`: the connection ended after the request was sent. `Mismatch`: too many redirects, or
    /// no HTTP. `Io`: a file that was to be sent can't be read.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Fault> {
        let url = parse_url(&request.url)?;
        let server = server(&url);
        let redirects = request.redirects;
        let client = self.client((redirects, request.ca.clone()))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Fault::input(format!("`{}` is no HTTP method", request.method)))?;
        let builder = client
            .request(method, url)
            .query(&request.query)
            .headers(headers(&request.headers)?);
        let builder = load(builder, request.payload).await?;
        let response = builder
            .send()
            .await
            .map_err(|error| not_answered(&server, redirects, &error))?;
        Ok(HttpResponse {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.as_str().to_owned(), value)
                })
                .collect(),
            url: response.url().to_string(),
            body: HttpBody { response, server },
        })
    }

    fn client(&self, kind: Kind) -> Result<Client, Fault> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let client = build(&kind)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }
}

fn build((redirects, ca): &Kind) -> Result<Client, Fault> {
    // Another one that is installed already serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots: Vec<Certificate> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|certificate| Certificate::from_der(certificate).ok())
        .collect();
    if let Some(ca) = ca {
        let own = Certificate::from_pem_bundle(ca).unwrap_or_default();
        if own.is_empty() {
            return Err(Fault::input("`ca` holds no certificate in PEM form"));
        }
        roots.extend(own);
    }
    let policy = match usize::try_from(*redirects) {
        Ok(0) => redirect::Policy::none(),
        Ok(most) => redirect::Policy::limited(most),
        Err(_) => redirect::Policy::limited(usize::MAX),
    };
    Client::builder()
        .no_proxy()
        .user_agent(concat!("tf-engine/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT)
        .tcp_keepalive(KEEPALIVE)
        .redirect(policy)
        .tls_certs_merge(roots)
        .build()
        .map_err(|error| Fault::input(format!("no HTTP client can be made: {}", causes(&error))))
}

fn parse_url(text: &str) -> Result<Url, Fault> {
    let url = Url::parse(text).map_err(|error| Fault::input(format!("this is no URL: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(Fault::input(format!(
            "`{other}` is no scheme that can be fetched: it must be http or https"
        ))),
    }
}

/// `HOST:PORT`; the rest of a URL may hold secrets.
fn server(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Fault::input(format!("`{name}` is no name of an HTTP header")))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            Fault::input(format!(
                "the value of the HTTP header `{name}` has a control character"
            ))
        })?;
        headers.append(key, value);
    }
    Ok(headers)
}

async fn load(builder: RequestBuilder, payload: HttpPayload) -> Result<RequestBuilder, Fault> {
    Ok(match payload {
        HttpPayload::Empty => builder,
        HttpPayload::Bytes(bytes) => builder.body(bytes),
        HttpPayload::Form(fields) => builder.form(&fields),
        HttpPayload::Multipart(parts) => {
            let mut form = Form::new();
            for part in parts {
                form = form.part(part.name.clone(), make_part(part).await?);
            }
            builder.multipart(form)
        }
    })
}

async fn make_part(part: HttpPart) -> Result<Part, Fault> {
    let mut made = match part.content {
        HttpContent::Bytes(bytes) => {
            let length = bytes.len() as u64;
            Part::stream_with_length(bytes, length)
        }
        HttpContent::File(path) => {
            let failed =
                |error: io::Error| Fault::io(format!("{} can't be sent: {error}", path.display()));
            let file = File::open(&path).await.map_err(failed)?;
            let length = file.metadata().await.map_err(failed)?.len();
            let body = reqwest::Body::wrap_stream(ReaderStream::new(file));
            Part::stream_with_length(body, length)
        }
    };
    if let Some(name) = part.file_name {
        made = made.file_name(name);
    }
    match part.content_type {
        None => Ok(made),
        Some(kind) => made
            .mime_str(&kind)
            .map_err(|_| Fault::input(format!("`{kind}` is no media type"))),
    }
}

fn not_answered(server: &str, redirects: u32, error: &reqwest::Error) -> Fault {
    if error.is_builder() {
        return Fault::input(format!("the request makes no sense: {}", causes(error)));
    }
    if error.is_redirect() {
        return Fault::new(
            FaultKind::Mismatch,
            format!(
                "{server} answered with a redirect that is not followed (limit: {redirects}): {}",
                causes(error)
            ),
        );
    }
    if error.is_connect() {
        let why = if error.is_timeout() {
            format!("no connection within {CONNECT_LIMIT:?}")
        } else {
            causes(error)
        };
        return Fault::unreachable(format!("{server} can't be reached: {why}"));
    }
    Fault::lost(format!(
        "{server} gave no answer to a request that was sent: {}",
        causes(error)
    ))
}

fn cut_short(server: &str, error: &reqwest::Error) -> Fault {
    Fault::lost(format!(
        "the answer of {server} was cut short: {}",
        causes(error)
    ))
}

/// The causes of an error, without reqwest's own first line, which holds the whole URL.
fn causes(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors repeat their cause, and hyper's first line says nothing.
        if !said.starts_with("client error (")
            && !words.iter().any(|earlier| earlier.contains(&said))
        {
            words.push(said);
        }
        cause = error.source();
    }
    if words.is_empty() {
        words.push("no reason is given".to_owned());
    }
    words.join(": ")
}
