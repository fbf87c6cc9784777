//! One request: to the host it names, through the redirects it meets, to the head of its answer.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::{Clock, SystemClock};
use longshore_flow::retry::parse_retry_after;
use longshore_flow::with_timeout;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RANGE, RETRY_AFTER, TRANSFER_ENCODING};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::dialled;
use crate::hosts::{Hosts, Manners, Visit};
use crate::refused::{Again, Refused};
use crate::{LONGEST_PAUSE, shown};

/// How many redirects are followed.
const REDIRECTS: usize = 10;
/// How many connections that ended meanwhile a request may meet before its last attempt.
const STALE: usize = 10;
/// The most connections to one host that are kept for later where nothing is said of it.
const KEPT: usize = 100;
/// How many bytes of a refusing answer's body are read.
pub const REFUSAL: usize = 2_048;

/// Sends requests. Connections that can be used again are kept, until it is dropped.
#[derive(Debug)]
pub struct Agent {
    /// Made when first needed: what TLS trusts takes longer to read than most requests take.
    plain: OnceCell<Client>,
    secure: OnceCell<Client>,
    settings: Settings,
    /// Nothing where the caller sees to it.
    hosts: Option<Hosts>,
}

/// How requests are sent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the agent calls itself, where a request says nothing else.
    pub user_agent: &'static str,
    /// Authorities besides the machine's.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take, with its TLS.
    pub connect: Duration,
    /// How long nothing may come: of an answer's head, or of its body.
    pub idle: Duration,
    /// Whether https may lead to http.
    pub downgrade: bool,
    /// Whether what goes to the host that was named still does where that leads from http to its https.
    pub upgrade: bool,
    /// Whether a GET is sent again where a connection that was kept ended before an answer began: a server need not say that it
    /// will close one, and closes it as the request comes.
    pub resend: bool,
    /// Whether the proxies that the environment names are used.
    pub proxies: bool,
}

/// A request.
// No `Debug`: it would show secrets.
pub struct Ask {
    /// What is to be done. Redirects are followed with GET alone.
    pub method: Method,
    /// Where; a name and a password in it are sent, to its host alone.
    pub url: Url,
    /// What goes wherever redirects lead: nothing secret.
    pub headers: HeaderMap,
    /// What goes to the host of the URL alone.
    pub secrets: HeaderMap,
    /// What is sent with it.
    pub body: Option<Bytes>,
}

/// An answer whose head is there. Dropped before its end, it closes its connection.
#[derive(Debug)]
pub struct Answer {
    response: Response,
    /// Where it came from in the end.
    pub url: Url,
    visit: Option<Visit>,
    latency: Duration,
    idle: Duration,
}

impl Agent {
    /// Makes one. Nothing is read or sent yet.
    ///
    /// Without `manners` requests are sent at once, and the pause that a host asks for is the caller's to keep.
    pub fn new(settings: Settings, manners: Option<Manners>) -> Self {
        Self { plain: OnceCell::new(), secure: OnceCell::new(), settings, hosts: manners.map(Hosts::new) }
    }

    /// Returns how requests are sent.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request and follows redirects, to the head of an answer that begins well: its status is a success, or 416 to a
    /// request for a range. Any other is a refusal, with the first of its body.
    pub async fn send(&self, ask: &Ask) -> Result<Answer, Refused> {
        let answer = self.follow(ask).await?;
        self.judge(answer, ask).await
    }

    /// Sends a request and follows redirects, ten at most, to the head of an answer, whatever its status is.
    pub async fn follow(&self, ask: &Ask) -> Result<Answer, Refused> {
        let mut url = ask.url.clone();
        // Who was redirected away once gets no secret again, wherever the next redirect leads.
        let mut trusted = true;
        for _ in 0..=REDIRECTS {
            let answer = self.exchange(ask, &url, trusted).await?;
            if !leads_on(&answer, ask) {
                return Ok(answer);
            }
            let mut next = self.next(&answer, ask)?;
            trusted = trusted && self.is_same_host(&url, &next);
            if trusted {
                // Both have a host, so both can be set.
                let _has_host = next.set_username(ask.url.username());
                let _has_host = next.set_password(ask.url.password());
            }
            url = next;
            answer.end();
        }
        Err(Refused::never("web_redirect", format!("more than {REDIRECTS} redirects")))
    }

    /// Sends one request when its host is ready for it.
    async fn exchange(&self, ask: &Ask, url: &Url, trusted: bool) -> Result<Answer, Refused> {
        let client = self.client(url).await?;
        let mut request = client.request(ask.method.clone(), url.clone()).headers(ask.headers.clone());
        if trusted {
            request = request.headers(ask.secrets.clone());
        }
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        let visit = match &self.hosts {
            Some(hosts) => Some(hosts.enter(url).await),
            None => None,
        };
        let (begun, idle) = (Instant::now(), self.settings.idle);
        let response = match self.answered(request, ask).await {
            Ok(response) => response,
            Err(refused) => {
                if let Some(visit) = visit {
                    visit.permit.failed();
                }
                return Err(refused);
            }
        };
        let answer = Answer { response, url: url.clone(), visit, latency: begun.elapsed(), idle };
        if let (Some(pause), Some(visit)) = (answer.pause(), &answer.visit) {
            visit.pause(pause);
        }
        // No coding was asked for, so what is coded all the same is nothing that can be read.
        let codings = answer.headers().get_all(TRANSFER_ENCODING);
        if codings.iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
            answer.broke();
            return Err(Refused::never("web_protocol", "the answer is coded on its way"));
        }
        Ok(answer)
    }

    /// Sends one request, to the head of what answers it.
    async fn answered(&self, request: RequestBuilder, ask: &Ask) -> Result<Response, Refused> {
        let idle = self.settings.idle;
        let may_resend = self.settings.resend && ask.method == Method::GET && ask.body.is_none();
        for _ in 0..STALE {
            let Some(same) = may_resend.then(|| request.try_clone()).flatten() else { break };
            let (answered, is_new) = dialled::watch(sent(same, idle)).await;
            match answered {
                Err(refused) if !is_new && refused.is_hung_up() => {}
                answered => return answered,
            }
        }
        sent(request, idle).await
    }

    /// Lets through what is a success, and makes of the rest why it is none.
    async fn judge(&self, answer: Answer, ask: &Ask) -> Result<Answer, Refused> {
        let status = answer.status();
        let ranged = ask.headers.contains_key(RANGE);
        if is_redirect(status) {
            return Err(Refused::never("web_redirect", "a redirect without a place to go to"));
        }
        if status.is_success() || (ranged && status == StatusCode::RANGE_NOT_SATISFIABLE) {
            return Ok(answer);
        }
        let (code, mut again) = match status.as_u16() {
            429 => ("web_throttled", Again::Soon),
            408 | 425 => ("web_failed", Again::Soon),
            501 | 505 => ("web_failed", Again::Never),
            500.. => ("web_failed", Again::Soon),
            _ => ("web_refused", Again::Never),
        };
        if again == Again::Soon
            && let Some(pause) = answer.pause()
        {
            again = Again::After(pause);
        }
        let message = match status.canonical_reason() {
            Some(reason) => format!("the server answered {} {reason}", status.as_u16()),
            None => format!("the server answered {}", status.as_u16()),
        };
        let body = answer.refusal().await;
        Err(Refused { status: Some(status.as_u16()), body, ..Refused::new(code, again, message) })
    }

    /// Returns where a redirect leads, if it may be followed.
    fn next(&self, answer: &Answer, ask: &Ask) -> Result<Url, Refused> {
        let from = &answer.url;
        let refuse = |why: String| Err(Refused::never("web_redirect", why));
        // What a body was sent to another may not want; and 303 means that something else is to be read.
        if ask.method != Method::GET {
            return refuse(format!("the server redirects a {}, which is not followed", ask.method));
        }
        let location = answer.header(LOCATION.as_str()).map(|location| from.join(location));
        let Some(Ok(mut next)) = location else {
            return refuse("a redirect to what is no URL".to_owned());
        };
        if !matches!(next.scheme(), "http" | "https") {
            return refuse(format!("a redirect to {}, which is neither http nor https", next.scheme()));
        }
        if from.scheme() == "https" && next.scheme() == "http" && !self.settings.downgrade {
            return refuse(format!("a redirect from https to {}, which is not encrypted", shown(&next)));
        }
        // Names and passwords come from the user alone, who gave them for one host.
        let _no_host = next.set_password(None);
        let _no_host = next.set_username("");
        next.set_fragment(None);
        Ok(next)
    }

    async fn client(&self, url: &Url) -> Result<&Client, Refused> {
        let secure = url.scheme() == "https";
        let made = if secure { &self.secure } else { &self.plain };
        made.get_or_try_init(|| self.make(secure)).await
    }

    async fn make(&self, secure: bool) -> Result<Client, Refused> {
        let unusable = |error: String| Refused::never("web_tls", error);
        let file = self.settings.ca_file.clone();
        let trust = move || {
            if !secure {
                return longshore_trust::trusting_nobody();
            }
            let further = file.as_deref().map(longshore_trust::read_authorities).transpose()?;
            longshore_trust::client_config(&further.unwrap_or_default())
        };
        let config = longshore_flow::Blocking::new(1).run(trust).await;
        let config = config
            .map_err(|error| unusable(error.to_string()))?
            .map_err(|error| unusable(error.to_string()))?;
        let builder = Client::builder();
        let builder = if self.settings.proxies { builder } else { builder.no_proxy() };
        builder
            .tls_backend_preconfigured(config)
            .user_agent(self.settings.user_agent)
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.settings.connect)
            .connector_layer(dialled::Noting)
            .pool_max_idle_per_host(self.hosts.as_ref().map_or(KEPT, Hosts::at_once))
            .build()
            .map_err(|error| Refused::broken(error, self.settings.idle))
    }

    /// Reads the file of authorities, if one was named, so that a wrong one shows before anything is sent.
    pub fn check(&self) -> Result<(), Refused> {
        let Some(file) = &self.settings.ca_file else { return Ok(()) };
        let read = longshore_trust::read_authorities(file);
        let refuse = |error| Refused::never("web_tls", format!("cannot use {}: {error}", file.display()));
        read.map(drop).map_err(refuse)
    }

    /// Tells whether what is secret with one may be told to the other: the same host, or the same one encrypted.
    fn is_same_host(&self, one: &Url, other: &Url) -> bool {
        let is_upgrade = self.settings.upgrade
            && one.scheme() == "http"
            && other.scheme() == "https"
            && one.host() == other.host()
            && one.port().is_none()
            && other.port().is_none();
        one.origin() == other.origin() || is_upgrade
    }
}

impl Answer {
    /// Returns its status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns a field, if it is one and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Returns a field as it came.
    pub fn raw_header(&self, name: &str) -> Option<&[u8]> {
        Some(self.response.headers().get(name)?.as_bytes())
    }

    /// Returns the `Content-Type`, if it is text.
    pub fn media_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE.as_str())
    }

    /// Returns how many bytes the body is said to have.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Returns all fields.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns the next bytes of the body; nothing at its end. The time between two calls is the caller's own.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Refused> {
        match with_timeout("the answer", self.idle, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| Refused::broken(error, self.idle)),
            Err(_) => Err(Refused::timeout(self.idle)),
        }
    }

    /// Notes that the exchange went well, to its end.
    pub fn end(self) {
        if let Some(visit) = self.visit {
            visit.permit.success(self.latency);
        }
    }

    /// Notes that it broke off.
    pub fn broke(self) {
        if let Some(visit) = self.visit {
            visit.permit.failed();
        }
    }

    /// Returns how long the server wants to be left alone.
    fn pause(&self) -> Option<Duration> {
        if !matches!(self.status().as_u16(), 429 | 503) {
            return None;
        }
        let micros = u64::try_from(SystemClock.now().as_micros()).unwrap_or(0);
        let now = std::time::UNIX_EPOCH + Duration::from_micros(micros);
        parse_retry_after(self.header(RETRY_AFTER.as_str())?, now, LONGEST_PAUSE)
    }

    /// Tells the host's limit what came of the request, and reads the first of a refusing answer's body.
    async fn refusal(self) -> Vec<u8> {
        let Self { mut response, visit, latency, idle, .. } = self;
        // At once: the body may be long in coming.
        if let Some(Visit { permit, .. }) = visit {
            match response.status().as_u16() {
                429 | 503 => permit.throttled(),
                500.. => permit.failed(),
                // It is well, and says no.
                _ => permit.success(latency),
            }
        }
        let mut body = Vec::new();
        let reading = async {
            while body.len() < REFUSAL {
                let Ok(Some(chunk)) = response.chunk().await else { break };
                body.extend_from_slice(&chunk[..chunk.len().min(REFUSAL - body.len())]);
            }
        };
        // What does not come in time is not told: the status is what counts.
        let _in_time = with_timeout("the refusal", idle, reading).await;
        body
    }
}

async fn sent(request: RequestBuilder, idle: Duration) -> Result<Response, Refused> {
    match with_timeout("the answer", idle, request.send()).await {
        Ok(answered) => answered.map_err(|error| Refused::broken(error, idle)),
        Err(_) => Err(Refused::timeout(idle)),
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Tells whether an answer is a redirect that must be followed or refused. One to a GET that names no place is an answer.
fn leads_on(answer: &Answer, ask: &Ask) -> bool {
    is_redirect(answer.status()) && (ask.method != Method::GET || answer.headers().contains_key(LOCATION))
}
