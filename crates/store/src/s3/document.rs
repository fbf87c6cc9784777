//! Listings and what else answers say, taken apart; and requests, put together.

use std::borrow::Cow;
use std::time::SystemTime;

use md5::{Digest as _, Md5};
use percent_encoding::percent_decode_str;

use crate::error::Result;
use crate::info::FileInfo;
use crate::object::Page;
use crate::object::answer::unquoted;
use crate::object::error::unexpected;
use crate::path::StorePath;
use crate::xml::{elements, text, unescaped};

/// Escapes a text, or returns nothing if XML cannot have it.
fn escaped(text: &str) -> Option<String> {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            character if character.is_control() => return None,
            '\u{fffe}' | '\u{ffff}' => return None,
            character => escaped.push(character),
        }
    }
    Some(escaped)
}

/// Takes apart a page of `ListObjectsV2`.
pub(super) fn page(xml: &str) -> Result<Page> {
    if !xml.contains("<ListBucketResult") {
        return Err(unexpected("a listing that is none"));
    }
    let is_encoded = text(xml, "EncodingType").as_deref() == Some("url");
    let name = |text: &str| -> Result<String> {
        let text = unescaped(text);
        if !is_encoded {
            return Ok(text);
        }
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        decoded.map(Cow::into_owned).map_err(|_| unexpected("a key that is not UTF-8"))
    };
    let mut page = Page { token: text(xml, "NextContinuationToken"), ..Page::default() };
    for object in elements(xml, "Contents") {
        let key = elements(object, "Key").next().ok_or_else(|| unexpected("an object without a key"))?;
        let size = elements(object, "Size").next().and_then(|size| size.trim().parse().ok());
        let size = size.ok_or_else(|| unexpected("an object without a size"))?;
        let info = FileInfo {
            last_modified: elements(object, "LastModified").next().and_then(time),
            etag: text(object, "ETag").map(|etag| unquoted(&etag)),
            ..FileInfo::new(StorePath::ROOT, size)
        };
        page.objects.push((name(key)?, info));
    }
    for folder in elements(xml, "CommonPrefixes") {
        page.folders.extend(elements(folder, "Prefix").map(&name).collect::<Result<Vec<_>>>()?);
    }
    if text(xml, "IsTruncated").as_deref() != Some("true") {
        page.token = None;
    } else if page.token.as_deref().is_none_or(str::is_empty) {
        // Taken for the last page, what follows would be missing and nobody would know.
        return Err(unexpected("a page that is not the last and does not say where to go on"));
    }
    Ok(page)
}

/// Reads a time such as `2009-10-12T17:50:30.000Z`.
fn time(text: &str) -> Option<SystemTime> {
    text.trim().parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

/// Returns the body that deletes keys, or nothing if one of them cannot stand in XML.
pub(super) fn deletion(keys: &[String]) -> Option<String> {
    let mut xml =
        String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for key in keys {
        xml.push_str("<Object><Key>");
        xml.push_str(&escaped(key)?);
        xml.push_str("</Key></Object>");
    }
    xml.push_str("</Delete>");
    Some(xml)
}

/// Returns the body that completes an upload of parts with these tags.
pub(super) fn completion(parts: &[String]) -> String {
    let mut xml = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (place, etag) in parts.iter().enumerate() {
        let etag = escaped(etag).unwrap_or_default();
        let number = place + 1;
        xml.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

/// Returns the tag of an object made of parts with these tags, if each is an MD5: the MD5 of those, and how many there are.
pub(super) fn tag_of_parts(parts: &[String]) -> Option<String> {
    let mut whole = Md5::new();
    for part in parts {
        let tag = unquoted(part);
        if tag.len() != 32 || !tag.is_ascii() {
            return None;
        }
        for place in (0..32).step_by(2) {
            whole.update([u8::from_str_radix(&tag[place..place + 2], 16).ok()?]);
        }
    }
    let digest: String = whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("{digest}-{}", parts.len()))
}

/// Returns the first error in the answer to a deletion of many, which has one for each key that stands still.
pub(super) fn first_failure(xml: &str) -> Option<&str> {
    elements(xml, "Error").find(|error| text(error, "Code").as_deref() != Some("NoSuchKey"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{completion, deletion, first_failure, page, tag_of_parts};

    #[test]
    fn a_page_is_taken_apart() {
        let xml = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Prefix>a</Prefix>\
            <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>t&amp;k</NextContinuationToken>\
            <Contents><Key>a/b+c%2Bd%0Ae</Key><LastModified>1970-01-01T00:01:00.000Z</LastModified>\
            <ETag>&quot;f00&quot;</ETag><Size>7</Size><Owner><ID>o</ID></Owner></Contents>\
            <CommonPrefixes><Prefix>a/x%20y/</Prefix></CommonPrefixes></ListBucketResult>";
        let page = page(xml).unwrap();
        assert_eq!(page.token.as_deref(), Some("t&k"));
        assert_eq!(page.folders, ["a/x y/"]);
        let (key, info) = &page.objects[0];
        assert_eq!(key, "a/b c+d\ne");
        assert_eq!((info.size, info.etag.as_deref()), (7, Some("f00")));
        assert_eq!(info.last_modified, Some(UNIX_EPOCH + Duration::from_secs(60)));
        super::page("<html>").unwrap_err();
        super::page("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>").unwrap_err();
    }

    #[test]
    fn parts_have_a_tag_together() {
        let part = |tag: &str| format!("\"{tag}\"");
        let hello = part("5d41402abc4b2a76b9719d911017c592");
        assert_eq!(tag_of_parts(&[hello.clone(), hello]).unwrap(), "616b22817b80eed9f65c3aa38cd29054-2");
        assert_eq!(tag_of_parts(&[part("5d41402abc4b2a76b9719d911017c592-1")]), None);
        assert_eq!(tag_of_parts(&[part("zz41402abc4b2a76b9719d911017c592")]), None);
    }

    #[test]
    fn what_xml_cannot_have_is_not_put_into_it() {
        assert!(deletion(&["a<b".to_owned()]).unwrap().contains("<Key>a&lt;b</Key>"));
        assert_eq!(deletion(&["a\u{1}".to_owned()]), None);
        assert!(
            completion(&["\"e\"".to_owned()])
                .contains("<PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag>")
        );
        let failed =
            "<DeleteResult><Error><Code>NoSuchKey</Code></Error><Error><Code>X</Code></Error></DeleteResult>";
        assert_eq!(first_failure(failed), Some("<Code>X</Code>"));
    }
}
