"""HAProxy compresses text for strangers, and nothing whose length could give a secret away."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator, Mapping

import pytest

from tests.support.door import Door, statuses
from tests.support.farm import Farm
from tests.support.fetch import Response

GZIP = {"Accept-Encoding": "gzip, deflate, br"}

PLAIN = b"text" * 1024

#: A client whose word counts where 127.0.0.8 is a trusted proxy.
PROXY = "127.0.0.8"


@pytest.fixture(scope="module")
def door(farm: Farm, program: object) -> Iterator[Door]:
    with farm.door(
        instances=1,
        haproxy=program,
        compression="on",
        static_cache="1MB",
        trusted_proxies=PROXY,
    ) as running:
        yield running


def compressed(answer: Response) -> bool:
    """Whether it came compressed; whole in any case."""
    if answer.headers["content-encoding"] != "gzip":
        assert answer.body == PLAIN
        return False
    assert gzip.decompress(answer.body) == PLAIN
    assert len(answer.body) < len(PLAIN) / 4
    return True


@pytest.mark.parametrize(
    "kind", ["text/html;charset=utf-8", "text/css", "application/json", "image/svg+xml"]
)
def test_text_for_a_stranger_is_compressed(door: Door, kind: str) -> None:
    answer = door.get(f"/text?type={kind.replace('+', '%2B')}", GZIP)
    assert compressed(answer)
    assert answer.headers["vary"] == "Accept-Encoding"


def test_zopes_threads_are_asked_for_no_compression(door: Door) -> None:
    assert "accept-encoding" not in door.reach("/text", GZIP).headers


@pytest.mark.parametrize(
    "cookie",
    [
        "ZOPESTACK=instance1",
        'I18N_LANGUAGE="de"; _ga=GA1.2; _ga_X1=2,3; _gid=4;_pk_id.1.1fff=5; _pk_ses.1.1fff=*',
    ],
)
def test_a_cookie_of_affinity_language_or_counting_is_no_login(door: Door, cookie: str) -> None:
    assert compressed(door.get("/text", {**GZIP, "Cookie": cookie}))


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer x"},
        {"Cookie": "__ac=user"},
        {"Cookie": "_ga=1; __ac=user"},
        {"Cookie": "__ac=user; _ga=1"},
        {"Cookie": "a=b,_ga=1;_ZopeId=session"},
        {"Cookie": "auth_token=volto"},
        {"Cookie": "statusmessages=x"},
        {"Cookie": "any=thing"},
        {"Cookie": "x_ga=1"},
        {"Cookie": "_gidx=1"},
        {"Cookie": "nonsense"},
        {"Cookie": "_ga=1, __ac=user; nonsense"},
    ],
    ids=str,
)
def test_nothing_is_compressed_for_who_may_be_logged_in(
    door: Door, headers: Mapping[str, str]
) -> None:
    """Zope does not see that it could compress, either."""
    assert not compressed(door.get("/text", {**GZIP, **headers}))
    seen = door.reach("/text", {**GZIP, **headers})
    assert "accept-encoding" not in seen.headers


def test_a_login_in_a_second_cookie_header_counts(door: Door) -> None:
    for cookies in (b"Cookie: _ga=1\r\nCookie: __ac=u\r\n", b"Cookie: __ac=u\r\nCookie: _ga=1\r\n"):
        request = b"GET /text HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"
        answer = door.raw(request + cookies + b"Connection: close\r\n\r\n")
        assert statuses(answer) == (200,)
        assert PLAIN in answer


@pytest.mark.parametrize(
    "header", ["X-Remote-User", "X-Forwarded-User", "X-Forwarded-Preferred-Username", "X-User"]
)
def test_a_login_that_a_trusted_proxy_tells_counts(door: Door, header: str) -> None:
    """What others send as such a header is dropped, and they stay strangers."""
    headers = {**GZIP, header: "u", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    assert not compressed(door.get("/text", headers, source=PROXY))
    assert compressed(door.get("/text", headers, source="127.0.0.9"))
    del headers[header]
    assert compressed(door.get("/text", headers, source=PROXY))


def test_a_response_to_a_post_is_never_compressed(door: Door) -> None:
    assert not compressed(door.get("/text", GZIP, method="POST", body=b"", source="127.0.0.9"))


@pytest.mark.parametrize(
    "asked",
    [
        "type=image/png",
        "type=text/html&encoding=br",
        "type=text/html&control=no-transform",
        "type=text/html&etag=nonsense",
        "type=text/html&status=206",
        "type=text/html&status=404",
    ],
)
def test_other_media_types_and_what_forbids_it_come_as_they_are(door: Door, asked: str) -> None:
    assert not compressed(door.get(f"/text?{asked}", GZIP))


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0"])
def test_who_cannot_read_it_gets_it_as_it_is(door: Door, accepted: str) -> None:
    assert not compressed(door.get("/text", {"Accept-Encoding": accepted}))


def test_http_1_0_has_no_chunks_and_no_compression(door: Door) -> None:
    answer = door.raw(b"GET /text HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n" + PLAIN)


def test_an_etag_becomes_weak(door: Door) -> None:
    """The compressed response has other bytes than the one that Zope has named."""
    etag = "%22one%22"
    assert door.get(f"/text?etag={etag}", GZIP).headers["etag"] == 'W/"one"'
    assert door.get(f"/text?etag={etag}").headers["etag"] == '"one"'


def test_haproxys_cache_keeps_it_for_both_who_can_and_cannot_read_it(door: Door) -> None:
    path = "/text?control=public,max-age=60&for=both"
    door.seen()
    answers = [door.get(path, headers) for headers in (GZIP, {}, GZIP, {})]
    assert [compressed(answer) for answer in answers] == [True, False, True, False]
    assert len(door.seen()) == 1


@pytest.mark.parametrize("headers", [GZIP, {}], ids=["compressed", "as it is"])
def test_a_response_that_breaks_off_is_no_whole_one(door: Door, headers: Mapping[str, str]) -> None:
    """Without an end of its chunks, no client or cache takes a part of a page for all of it."""
    with pytest.raises(http.client.IncompleteRead):
        door.get("/text?half=1", headers)


def test_it_is_off_by_default(farm: Farm) -> None:
    with farm.door(instances=1) as plain:
        assert not compressed(plain.get("/text", GZIP))
        assert plain.reach("/text", GZIP).headers["accept-encoding"] == GZIP["Accept-Encoding"]
