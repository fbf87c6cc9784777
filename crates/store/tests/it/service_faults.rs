//! What a service, or somebody else who uses it, does between two requests of one verb.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use longshore_store::{AzureOptions, ErrorKind, S3Options, Store, WriteOptions};

use crate::http::{Service, say};

const TAG: &str = "5d41402abc4b2a76b9719d911017c592";

crate::trials! {
    "service_faults":
    a_folder_is_judged_by_all_of_its_pages,
    a_folder_behind_empty_pages_is_missing,
    what_comes_below_an_empty_folder_is_not_deleted_with_it,
    a_source_that_changes_while_it_is_moved_is_kept,
    an_upload_whose_end_was_not_heard_of_is_done,
    an_upload_that_is_gone_is_not_taken_for_done,
    who_may_not_write_outside_of_a_prefix_creates_there,
    a_claim_of_somebody_else_is_not_deleted,
    names_with_dots_are_in_no_address,
    a_block_list_whose_answer_was_lost_is_sent_again,
    a_copy_that_comes_to_nothing_is_taken_back,
}

fn page(keys: &[&str], token: Option<&str>) -> Vec<u8> {
    let keys = keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"));
    let token = token.map(|token| {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
    });
    let inside = keys.collect::<String>() + &token.unwrap_or_default();
    say("200 OK", "", &format!("<ListBucketResult>{inside}</ListBucketResult>"))
}

fn large() -> Vec<u8> {
    vec![1; (5 << 20) + 1]
}

async fn a_folder_is_judged_by_all_of_its_pages() {
    for first in [&[][..], &["f/"]] {
        let service = Service::start(move |head, _| match head.contains("continuation-token=") {
            false => page(first, Some("t")),
            true => page(&["f/file"], None),
        });
        let error = service.store().delete_folder("f", false, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
        assert!(service.lines().iter().all(|line| line.starts_with("GET ")));
    }
}

async fn a_folder_behind_empty_pages_is_missing() {
    let service = Service::start(|head, _| match head.contains("continuation-token=") {
        _ if head.starts_with("HEAD") => say("404 Not Found", "", ""),
        false => page(&[], Some("t")),
        true => page(&[], None),
    });
    for recursive in [true, false] {
        let error = service.store().delete_folder("f", recursive, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

async fn what_comes_below_an_empty_folder_is_not_deleted_with_it() {
    let service = Service::start(|head, before| match before {
        _ if !head.starts_with("GET") => say("204 No Content", "", ""),
        0 => page(&["f/"], None),
        _ => page(&["f/", "f/new"], None),
    });
    service.store().delete_folder("f", false, false).await.unwrap();
    assert!(service.asked().iter().all(|asked| !asked.contains("f/new")));
    assert_eq!(service.lines().last().unwrap(), "DELETE /b/f/");
}

async fn a_source_that_changes_while_it_is_moved_is_kept() {
    // Seen by the look before the deletion, or by the service.
    for is_seen in [true, false] {
        let is_copied = AtomicUsize::new(0);
        let service = Service::start(move |head, _| {
            let changed = is_copied.load(Ordering::SeqCst) > 0;
            match head.split(' ').next().unwrap() {
                "HEAD" if head.contains("/b/to") => say("404 Not Found", "", ""),
                "HEAD" if changed && is_seen => say("200 OK", "etag: \"two\"\r\n", ""),
                "HEAD" => say("200 OK", "etag: \"one\"\r\n", ""),
                "PUT" => {
                    assert!(head.contains("x-amz-copy-source-if-match: \"one\""));
                    is_copied.store(1, Ordering::SeqCst);
                    say("200 OK", "", "<CopyObjectResult><ETag>\"one\"</ETag></CopyObjectResult>")
                }
                "DELETE" if head.contains("if-match: \"one\"") => say("412 Precondition Failed", "", ""),
                "DELETE" => say("204 No Content", "", ""),
                _ => page(&[], None),
            }
        });
        let error = service.store().move_file("from", "to", true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
        assert!(error.to_string().contains("at both places"), "{error}");
        let deletions = service.lines().iter().filter(|line| line.starts_with("DELETE")).count();
        assert_eq!(deletions, usize::from(!is_seen));
    }
}

/// Completes an upload, and loses the answer. `stands` is the tag of what stands at the key then.
fn completes_unheard(stands: &'static str) -> Service {
    let completions = AtomicUsize::new(0);
    Service::start(move |head, _| match head.split(' ').next().unwrap() {
        "POST" if head.contains("uploads=") => say("200 OK", "", "<R><UploadId>u</UploadId></R>"),
        "PUT" => say("200 OK", &format!("etag: \"{TAG}\"\r\n"), ""),
        "POST" if completions.fetch_add(1, Ordering::SeqCst) == 0 => say("500 Internal Server Error", "", ""),
        "POST" => say("404 Not Found", "", "<Error><Code>NoSuchUpload</Code></Error>"),
        "HEAD" => say("200 OK", &format!("etag: \"{stands}\"\r\n"), ""),
        _ => say("204 No Content", "", ""),
    })
}

async fn an_upload_whose_end_was_not_heard_of_is_done() {
    let tag = "616b22817b80eed9f65c3aa38cd29054-2";
    let service = completes_unheard(tag);
    let made = service.store().write("file", large(), WriteOptions::OVERWRITE).await.unwrap();
    assert_eq!((made.etag.as_deref(), made.size), (Some(tag), (5 << 20) + 1));
}

async fn an_upload_that_is_gone_is_not_taken_for_done() {
    let service = completes_unheard("another");
    let error = service.store().write("file", large(), WriteOptions::OVERWRITE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

async fn who_may_not_write_outside_of_a_prefix_creates_there() {
    let service = Service::start(|head, _| match head.split(' ').next().unwrap() {
        _ if head.contains("/.longshore-tmp/") => say("403 Forbidden", "", ""),
        "POST" if head.contains("uploads=") => say("200 OK", "", "<R><UploadId>u</UploadId></R>"),
        "POST" => say("200 OK", "", "<R><ETag>\"e\"</ETag></R>"),
        "HEAD" => say("404 Not Found", "", ""),
        _ => say("200 OK", "etag: \"p\"\r\n", ""),
    });
    let store = Store::s3(S3Options { conditional_writes: None, ..service.options() }).unwrap();
    for name in ["mine/one", "mine/two"] {
        store.write(name, large(), WriteOptions::default()).await.unwrap();
    }
    let probes = service.lines().iter().filter(|line| line.starts_with("PUT /b/.longshore-tmp/")).count();
    assert_eq!(probes, 1);
}

async fn a_claim_of_somebody_else_is_not_deleted() {
    let claim = Arc::new(Mutex::new(None::<String>));
    let kept = Arc::clone(&claim);
    let service = Service::start(move |head, _| {
        let (method, is_claim) = (head.split(' ').next().unwrap(), head.contains("/claim-"));
        let mut claim = kept.lock().unwrap();
        match method {
            "PUT" if is_claim => {
                *claim = head.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
                say("200 OK", "etag: \"c\"\r\n", "")
            }
            "GET" if is_claim => match &*claim {
                Some(content) => say("200 OK", "etag: \"c\"\r\n", content),
                None => say("404 Not Found", "", ""),
            },
            "DELETE" if is_claim => {
                *claim = None;
                say("204 No Content", "", "")
            }
            "POST" if head.contains("uploads=") => say("200 OK", "", "<R><UploadId>u</UploadId></R>"),
            "POST" => {
                // It took so long that somebody took the claim over.
                *claim = Some("of somebody else".to_owned());
                say("200 OK", "", "<R><ETag>\"e\"</ETag></R>")
            }
            "HEAD" => say("404 Not Found", "", ""),
            _ => say("200 OK", "etag: \"p\"\r\n", ""),
        }
    });
    service.store().write("file", large(), WriteOptions::default()).await.unwrap();
    assert_eq!(claim.lock().unwrap().as_deref(), Some("of somebody else"));
}

async fn names_with_dots_are_in_no_address() {
    let service = Service::start(|head, _| match head.split(' ').next().unwrap() {
        "GET" => page(&["f/../x"], None),
        _ => say("200 OK", "", "<DeleteResult></DeleteResult>"),
    });
    service.store().delete_folder("f", true, false).await.unwrap();
    assert!(service.asked().iter().any(|asked| asked.contains("<Key>f/../x</Key>")));
    assert!(service.lines().iter().all(|line| !line.contains("..")));
    let service = Service::start(|_, _| {
        let blob =
            "<Blob><Name>f/../x</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>";
        say("200 OK", "", &format!("<EnumerationResults>{blob}</EnumerationResults>"))
    });
    let error = azure(&service).delete_folder("f", true, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPath);
    assert!(service.lines().iter().all(|line| line.starts_with("GET ")));
}

fn azure(service: &Service) -> Store {
    Store::azure(AzureOptions { part_size: 64 * 1024, ..AzureOptions::emulator(service.port(), "c") })
        .unwrap()
}

async fn a_block_list_whose_answer_was_lost_is_sent_again() {
    let lists = AtomicUsize::new(0);
    let service = Service::start(move |head, _| match head.contains("comp=blocklist") {
        true if lists.fetch_add(1, Ordering::SeqCst) == 0 => say("500 Internal Server Error", "", ""),
        // What was stored is not to be stored any more.
        true if head.contains("<Uncommitted>") => {
            say("400 Bad Request", "", "<Error><Code>InvalidBlockList</Code></Error>")
        }
        _ => say("201 Created", "etag: \"e\"\r\n", ""),
    });
    let made = azure(&service).write("file", vec![1; 100_000], WriteOptions::OVERWRITE).await.unwrap();
    assert_eq!(made.etag.as_deref(), Some("e"));
}

async fn a_copy_that_comes_to_nothing_is_taken_back() {
    const STATE: &str = "etag: \"empty\"\r\nx-ms-copy-id: i\r\nx-ms-copy-status: ";
    let service = Service::start(|head, _| match head.split(' ').next().unwrap() {
        "PUT" if head.contains("comp=copy") => say("409 Conflict", "", ""),
        "PUT" => say("202 Accepted", &format!("{STATE}pending\r\n"), ""),
        "HEAD" if head.contains("/to ") => say("200 OK", &format!("{STATE}failed\r\n"), ""),
        "HEAD" => say("200 OK", "etag: \"one\"\r\n", ""),
        _ => say("202 Accepted", "", ""),
    });
    let error = azure(&service).copy_file("from", "to", true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let asked = service.asked();
    let deletion = asked.iter().find(|asked| asked.starts_with("DELETE")).unwrap();
    assert!(deletion.starts_with("DELETE /devstoreaccount1/c/to "));
    assert!(deletion.contains("if-match: \"empty\""));
    let abort = asked.iter().position(|asked| asked.contains("x-ms-copy-action: abort")).unwrap();
    assert!(asked[abort].contains("comp=copy&copyid=i"));
}
