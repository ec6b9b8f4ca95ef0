//! Logging in to what a trust is for: openstack_sdk has no scope for trusts.

use std::collections::HashMap;

use async_trait::async_trait;
use openstack_sdk_auth_core::{
    Auth, AuthError, AuthToken, AuthTokenScope, OpenStackAuthType, OpenStackMultifactorAuthMethod,
    execute_auth_request,
};
use reqwest::Client;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

/// A way to log in, with a trust in the place of a scope
/// (<https://docs.openstack.org/api-ref/identity/v3-ext/#os-trust-api>).
pub(super) struct Trusted<'a> {
    pub(super) method: &'static dyn OpenStackMultifactorAuthMethod,
    /// The trust's id.
    pub(super) trust: &'a str,
}

#[async_trait]
impl OpenStackAuthType for Trusted<'_> {
    fn get_supported_auth_methods(&self) -> Vec<&'static str> {
        self.method.get_supported_auth_methods()
    }

    fn requirements(&self, hints: Option<&Value>) -> Result<Value, AuthError> {
        self.method.requirements(hints)
    }

    fn api_version(&self) -> (u8, u8) {
        (3, 0)
    }

    async fn auth(
        &self,
        client: &Client,
        identity: &Url,
        values: &HashMap<String, SecretString>,
        _: Option<&AuthTokenScope>,
        _: Option<&Value>,
    ) -> Result<Auth, AuthError> {
        let (method, mut shown) = self.method.get_auth_data(values)?;
        shown["methods"] = json!([method]);
        let body = json!({"auth": {
            "identity": shown,
            "scope": {"OS-TRUST:trust": {"id": self.trust}},
        }});
        let request = client.post(identity.join("auth/tokens")?).json(&body);
        let answer = execute_auth_request(client, request.build()?).await?;
        let token = AuthToken::from_reqwest_response(answer).await?;
        Ok(Auth::AuthToken(Box::new(token)))
    }
}
