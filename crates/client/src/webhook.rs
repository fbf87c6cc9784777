//! Checking that a webhook's delivery comes from the server it says it comes from.
//!
//! ```
//! use longshore::webhook::{Headers, Verifier, VerifyError};
//!
//! /// `header` looks one up in the request; `body` is the content byte for byte, before anything parsed it.
//! fn receive<'a>(
//!     secret: &str,
//!     header: impl Fn(&str) -> &'a str,
//!     body: &[u8],
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let verifier = Verifier::new([secret.parse()?]); // both, while a secret is rotated
//!     let headers = Headers {
//!         id: header("webhook-id"),
//!         timestamp: header("webhook-timestamp"),
//!         signature: header("webhook-signature"),
//!     };
//!     verifier.verify(&headers, body)?;
//!     // A delivery may come more than once, always with the same id: remember `headers.id`.
//!     Ok(())
//! }
//! # let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
//! # let header = |name: &str| match name { "webhook-timestamp" => "1614265330", _ => "" };
//! # let refused = receive(secret, header, b"{}").unwrap_err();
//! # assert_eq!(refused.downcast_ref(), Some(&VerifyError::TooOld));
//! ```
//!
//! The signatures are those of Standard Webhooks, so any of its libraries does as well.

pub use longshore_core::webhook::{
    Headers, ID_HEADER, MalformedSecret, SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER, Verifier, VerifyError,
};
