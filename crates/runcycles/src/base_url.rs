//! Where the authority listens, checked before the first request.

use cycles_protocol::Error;
use reqwest::Url;

/// As it is prepended to paths: without the spaces around it and without a slash
/// at the end.
pub(crate) fn trimmed(base_url: &str) -> String {
    base_url.trim().trim_end_matches('/').to_owned()
}

/// Without a password, for messages.
pub(crate) fn shown(base_url: &str) -> String {
    match Url::parse(base_url) {
        Ok(mut url) if url.password().is_some() => {
            let _ = url.set_password(Some("…"));
            url.to_string()
        }
        _ => base_url.to_owned(),
    }
}

/// Says what is wrong with it.
///
/// # Errors
/// Kind `Config`, naming `base_url`.
pub(crate) fn check(base_url: &str) -> Result<(), Error> {
    let refuse =
        |why: &str| Err(Error::config(format!("base_url {why} base_url={:?}", shown(base_url))));
    if base_url.is_empty() {
        return refuse("is not set; set it or CYCLES_BASE_URL, like http://127.0.0.1:7878");
    }
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https");
    match Url::parse(base_url) {
        Ok(url) if !is_http(&url) => refuse("must start with http:// or https://"),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            refuse("must end with the path; leave out what follows ? or #")
        }
        Ok(_) => Ok(()),
        Err(error) if base_url.contains("://") => {
            refuse(&format!("is not a URL, like http://127.0.0.1:7878 reason={error}"))
        }
        Err(_) => refuse("must start with http:// or https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        for (base_url, says) in [
            ("", "is not set"),
            ("127.0.0.1:7878", "must start with http://"),
            ("localhost:7878", "must start with http://"),
            ("cycles.example.com", "must start with http://"),
            ("ftp://h", "must start with http://"),
            ("http://", "must start with http://"),
            ("http://:7878", "is not a URL"),
            ("http://h:port", "is not a URL"),
            ("http://[::1", "is not a URL"),
            ("http://h?x=1", "leave out"),
            ("https://h/path#top", "leave out"),
        ] {
            let error = check(&trimmed(base_url)).expect_err(base_url);
            assert!(error.message().contains(says), "{base_url}: {error}");
            assert!(error.message().contains("base_url"), "{error}");
        }
    }

    #[test]
    fn what_is_right_passes_without_its_slash() {
        for base_url in ["http://h", "http://h/", " https://h:1/a/b/ ", "http://[::1]:7878"] {
            let trimmed = trimmed(base_url);
            assert!(check(&trimmed).is_ok(), "{base_url}");
            assert!(!trimmed.ends_with('/') && !trimmed.contains(' '), "{trimmed}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!shown("http://user:secret@h").contains("secret"));
        let error = check("http://user:secret@h?x").unwrap_err();
        assert!(!error.message().contains("secret"), "{error}");
    }
}
