//! How long people stay signed in.

/// How long people stay signed in.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct SessionsConfig {
    /// After how long without a request a session ends: 14 days. At least ten minutes (600).
    #[config(env = "LONGSHORE_SESSIONS_IDLE_SECONDS", default = 1209600)]
    pub idle_seconds: u64,
    /// How long a session lasts at most: 90 days.
    #[config(env = "LONGSHORE_SESSIONS_LENGTH_SECONDS", default = 7776000)]
    pub length_seconds: u64,
}
