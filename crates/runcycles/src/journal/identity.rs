//! Whose records a directory holds, and under which name a record stands. All
//! SDKs of all languages agree on both, so that one finishes what another began.

use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256};

/// Slows down guessing a key from a directory's name.
const ROUNDS: u32 = 30_000;
/// Bytes of the derived key that name the directory.
const FINGERPRINT_BYTES: usize = 8;

/// The directory of a server's principal: the tenant where one is configured,
/// so that records survive the rotation of its keys, else the key.
pub(crate) fn fingerprint(base_url: &str, api_key: &str, tenant: Option<&str>) -> String {
    let principal = match tenant.filter(|tenant| !tenant.trim().is_empty()) {
        Some(tenant) => format!("tenant\n{tenant}"),
        None => format!("key\n{api_key}"),
    };
    let salt = format!("runcycles-commit-journal\n{base_url}");
    let mut derived = [0; 32];
    pbkdf2_hmac::<Sha256>(principal.as_bytes(), salt.as_bytes(), ROUNDS, &mut derived);
    hex(&derived[..FINGERPRINT_BYTES])
}

/// The one spelling of a server's address: without a slash at the end, default
/// port or capitals in the host.
pub(crate) fn normalised(base_url: &str) -> String {
    let text = base_url.trim();
    let url = reqwest::Url::parse(text).map_or_else(|_| text.to_owned(), String::from);
    url.trim_end_matches('/').to_owned()
}

/// The standard name of a reservation's record.
pub(crate) fn file_name(reservation_id: &str) -> String {
    format!("v2-{}.json", hex(&Sha256::digest(reservation_id.as_bytes())))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fingerprints_are_those_of_the_other_sdks() {
        let base = normalised("http://localhost");
        assert_eq!(fingerprint(&base, "test-key", None), "68c905017df7dbfc");
        assert_eq!(fingerprint(&base, "test-key", Some(" ")), "68c905017df7dbfc");
        assert_eq!(fingerprint(&base, "test-key", Some("acme")), "8baba538fb970da4");
        assert_eq!(fingerprint(&base, "rotated", Some("acme")), "8baba538fb970da4");
    }

    #[test]
    fn one_server_has_one_spelling() {
        for (spelling, same) in [
            ("http://localhost/", "http://localhost"),
            ("HTTP://LocalHost:80", "http://localhost"),
            ("https://h:443/cycles/", "https://h/cycles"),
            (" http://127.0.0.1:7878 ", "http://127.0.0.1:7878"),
            ("no url/", "no url"),
        ] {
            assert_eq!(normalised(spelling), same);
        }
        assert_ne!(normalised("http://h"), normalised("https://h"));
    }

    #[test]
    fn the_name_is_the_hash_of_the_exact_identifier() {
        assert_eq!(
            file_name("abc"),
            "v2-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.json"
        );
    }

    proptest! {
        #[test]
        fn distinct_identifiers_never_share_a_name(one in ".*", other in ".*") {
            prop_assert_eq!(one == other, file_name(&one) == file_name(&other));
        }
    }
}
