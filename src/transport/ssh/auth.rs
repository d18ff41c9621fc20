//! Logging in: keys first, then the password, as far as the server takes them.

use std::path::PathBuf;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;
use tokio::task::spawn_blocking;

use super::key::{self, KeyFile};
use super::known_hosts::fingerprint;
use super::link::Client;
use super::settings::{SshKeys, SshTarget};
use crate::transport::fault::Fault;

/// OpenSSH closes a connection at the sixth refusal (`MaxAuthTries`); room is left for a password
/// by both of its methods.
const MOST_KEYS: usize = 5;
const MOST_KEYS_WITH_PASSWORD: usize = 3;
/// PAM asks for the password, and then once more for nothing.
const MOST_QUESTIONS: usize = 8;

type Agent = AgentClient<UnixStream>;

/// One key that can be offered.
enum Offer {
    File(PathBuf, PrivateKeyWithHashAlg),
    Agent(PublicKey),
}

/// What has been tried, for the message.
struct Attempt<'a> {
    handle: &'a mut Handle<Client>,
    target: &'a SshTarget,
    /// What the server says may still work; everything, before it has said anything.
    methods: Option<MethodSet>,
    tried: Vec<String>,
}

/// Logs in.
pub(super) async fn authenticate(
    handle: &mut Handle<Client>,
    target: &SshTarget,
    keys: &SshKeys,
) -> Result<(), Fault> {
    let mut attempt = Attempt {
        handle,
        target,
        methods: None,
        tried: Vec::new(),
    };
    if attempt.with_keys(keys).await? || attempt.with_password().await? {
        return Ok(());
    }
    Err(attempt.refused())
}

impl Attempt<'_> {
    fn takes(&self, method: MethodKind) -> bool {
        self.methods
            .as_ref()
            .is_none_or(|methods| methods.contains(&method))
    }

    /// Whether the server was content; otherwise what it takes next is noted.
    fn settle(&mut self, result: AuthResult) -> Result<bool, Fault> {
        match result {
            AuthResult::Success => Ok(true),
            AuthResult::Failure {
                remaining_methods, ..
            } => {
                // russh tells a connection that died here by an empty set.
                if self.handle.is_closed() {
                    return Err(self.closed());
                }
                self.methods = Some(remaining_methods);
                Ok(false)
            }
        }
    }

    fn closed(&self) -> Fault {
        let target = self.target;
        if self.tried.is_empty() {
            return Fault::unreachable(format!(
                "{target} closed the connection before anything was offered"
            ));
        }
        Fault::auth(format!(
            "{target} closed the connection during authentication; offered: {}",
            self.tried.join(", ")
        ))
    }

    fn refused(&self) -> Fault {
        let takes: Vec<&str> = match &self.methods {
            Some(methods) => methods.iter().map(<&str>::from).collect(),
            None => Vec::new(),
        };
        let offered = if self.tried.is_empty() {
            "no key was found and no password given".to_owned()
        } else {
            format!("offered: {}", self.tried.join(", "))
        };
        let takes = if takes.is_empty() {
            String::new()
        } else {
            format!("; the server takes: {}", takes.join(", "))
        };
        Fault::auth(format!(
            "{} refused user {}; {offered}{takes}",
            self.target, self.target.user
        ))
    }

    fn broken(&self, error: &russh::Error) -> Fault {
        Fault::unreachable(format!(
            "the connection to {} ended during authentication: {error}",
            self.target
        ))
    }

    async fn with_keys(&mut self, keys: &SshKeys) -> Result<bool, Fault> {
        let mut agent = match &keys.agent {
            Some(socket) => Agent::connect_uds(socket).await.ok(),
            None => None,
        };
        let held = match &mut agent {
            Some(agent) => agent.request_identities().await.unwrap_or_default(),
            None => Vec::new(),
        };
        let offers = self.offers(keys, held).await;
        let most = if self.target.password.is_some() {
            MOST_KEYS_WITH_PASSWORD
        } else {
            MOST_KEYS
        };
        let mut rsa_hash = None;
        for offer in offers.into_iter().take(most) {
            if !self.takes(MethodKind::PublicKey) {
                break;
            }
            let user = self.target.user.clone();
            let is_rsa = match &offer {
                Offer::File(_, key) => key.algorithm().is_rsa(),
                Offer::Agent(key) => key.algorithm().is_rsa(),
            };
            if is_rsa && rsa_hash.is_none() {
                rsa_hash = Some(self.rsa_hash().await?);
            }
            let hash = rsa_hash.flatten();
            let accepted = match offer {
                Offer::File(path, key) => {
                    self.tried.push(format!(
                        "key {} ({})",
                        path.display(),
                        fingerprint(key.public_key())
                    ));
                    let key = PrivateKeyWithHashAlg::new(std::sync::Arc::new((*key).clone()), hash);
                    let result = self.handle.authenticate_publickey(user, key).await;
                    let result = result.map_err(|error| self.broken(&error))?;
                    self.settle(result)?
                }
                Offer::Agent(key) => {
                    let Some(agent) = &mut agent else { continue };
                    self.tried
                        .push(format!("key {} of the agent", fingerprint(&key)));
                    let hash = if is_rsa { hash } else { None };
                    match self
                        .handle
                        .authenticate_publickey_with(user, key, hash, agent)
                        .await
                    {
                        Ok(result) => self.settle(result)?,
                        Err(_) if self.handle.is_closed() => return Err(self.closed()),
                        // The agent would not sign; there may be other keys.
                        Err(_) => false,
                    }
                }
            };
            if accepted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The keys to offer, in order. Keys that are named are the only ones; an encrypted one counts
    /// if the agent holds it.
    async fn offers(&mut self, keys: &SshKeys, held: Vec<AgentIdentity>) -> Vec<Offer> {
        let held: Vec<PublicKey> = held
            .into_iter()
            .filter_map(|identity| match identity {
                AgentIdentity::PublicKey { key, .. } => Some(key),
                AgentIdentity::Certificate { .. } => None,
            })
            .collect();
        let named = self.target.identities.clone();
        let is_named = named.is_some();
        let paths = named.unwrap_or_else(|| keys.identities.clone());
        let loaded = spawn_blocking(move || {
            paths
                .into_iter()
                .filter(|path| is_named || path.exists())
                .map(|path| {
                    let loaded = key::load(&path);
                    (path, loaded)
                })
                .collect::<Vec<_>>()
        })
        .await
        .unwrap_or_default();

        let mut offers = Vec::new();
        if !is_named {
            offers.extend(held.iter().cloned().map(Offer::Agent));
        }
        for (path, loaded) in loaded {
            match loaded {
                Ok(KeyFile::Usable(key)) => {
                    let known = held
                        .iter()
                        .any(|it| it.key_data() == key.public_key().key_data());
                    if is_named || !known {
                        offers.push(Offer::File(path, PrivateKeyWithHashAlg::new(key, None)));
                    }
                }
                Ok(KeyFile::Encrypted(public)) => {
                    let of_agent = public.and_then(|public| {
                        held.iter().find(|it| it.key_data() == public.key_data())
                    });
                    match of_agent {
                        Some(key) if is_named => offers.push(Offer::Agent(key.clone())),
                        Some(_) => {}
                        None => self.tried.push(format!(
                            "key {} (not usable: it needs a passphrase, and no agent holds it)",
                            path.display()
                        )),
                    }
                }
                Err(why) => self
                    .tried
                    .push(format!("key {} (not usable: {why})", path.display())),
            }
        }
        offers
    }

    /// The best hash that the server takes for RSA keys; SHA-512 for a server that doesn't say.
    async fn rsa_hash(&mut self) -> Result<Option<HashAlg>, Fault> {
        match self.handle.best_supported_rsa_hash().await {
            Ok(Some(best)) => Ok(best),
            Ok(None) => Ok(Some(HashAlg::Sha512)),
            Err(error) => Err(self.broken(&error)),
        }
    }

    async fn with_password(&mut self) -> Result<bool, Fault> {
        if self.methods.is_none() {
            // No key was offered, so ask what is taken. A server may even want nothing.
            let user = self.target.user.clone();
            let result = self.handle.authenticate_none(user).await;
            let result = result.map_err(|error| self.broken(&error))?;
            if self.settle(result)? {
                return Ok(true);
            }
        }
        let Some(password) = self.target.password.clone() else {
            return Ok(false);
        };
        if self.takes(MethodKind::Password) {
            self.tried.push("password".to_owned());
            let user = self.target.user.clone();
            let result = self
                .handle
                .authenticate_password(user, password.clone())
                .await;
            let result = result.map_err(|error| self.broken(&error))?;
            if self.settle(result)? {
                return Ok(true);
            }
        }
        if self.takes(MethodKind::KeyboardInteractive) {
            self.tried.push("keyboard-interactive".to_owned());
            return self.keyboard_interactive(&password).await;
        }
        Ok(false)
    }

    /// Answers every question that is not to be echoed with the password, any other with nothing.
    async fn keyboard_interactive(&mut self, password: &str) -> Result<bool, Fault> {
        let user = self.target.user.clone();
        let begun = self
            .handle
            .authenticate_keyboard_interactive_start(user, None::<String>)
            .await;
        let mut response = begun.map_err(|_| self.closed())?;
        for _ in 0..MOST_QUESTIONS {
            match response {
                KeyboardInteractiveAuthResponse::Success => return Ok(true),
                KeyboardInteractiveAuthResponse::Failure {
                    remaining_methods,
                    partial_success,
                } => {
                    return self.settle(AuthResult::Failure {
                        remaining_methods,
                        partial_success,
                    });
                }
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                    let answers = prompts
                        .iter()
                        .map(|prompt| {
                            if prompt.echo {
                                String::new()
                            } else {
                                password.to_owned()
                            }
                        })
                        .collect();
                    let answered = self
                        .handle
                        .authenticate_keyboard_interactive_respond(answers)
                        .await;
                    response = answered.map_err(|_| self.closed())?;
                }
            }
        }
        Ok(false)
    }
}
