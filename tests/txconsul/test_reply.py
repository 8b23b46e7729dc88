"""What is read out of an HTTP response."""

from __future__ import annotations

import pytest

from txconsul.reply import (
    ConsulNotFoundError,
    ConsulReply,
    ConsulServerError,
    HttpResponse,
    MalformedReplyError,
    NoLeaderError,
    PermissionDeniedError,
    RequestRefusedError,
    make_status_error,
    parse_reply,
)

JSON = {"Content-Type": "application/json"}


def test_headers_are_read() -> None:
    """Contact in seconds; what is not said is None."""
    headers = {**JSON, "X-Consul-Index": "42", "X-Consul-Knownleader": "false", "X-Consul-Lastcontact": "20092"}
    assert parse_reply(HttpResponse(200, headers, b"[1]")) == ConsulReply(200, 42, False, 20.092, None, [1], b"[1]")
    assert parse_reply(HttpResponse(200, {}, b"raw")) == ConsulReply(200, None, None, None, None, None, b"raw")


def test_filtered_lists_are_marked() -> None:
    """By Consuls that say so."""
    assert parse_reply(HttpResponse(200, {"X-Consul-Results-Filtered-By-Acls": "true"}, b"")).filtered


@pytest.mark.parametrize("status", [403, 500])
def test_the_index_of_an_error_is_none(status: int) -> None:
    """Consul sends 1 there, which means nothing."""
    assert parse_reply(HttpResponse(status, {"X-Consul-Index": "1"}, b"no")).index is None


def test_the_index_of_a_missing_key_is_one() -> None:
    """404 is what a watch of it goes on from."""
    assert parse_reply(HttpResponse(404, {"X-Consul-Index": "49"}, b"")).index == 49


def test_broken_json_is_garbled() -> None:
    """It is never taken for nothing."""
    with pytest.raises(MalformedReplyError):
        parse_reply(HttpResponse(200, JSON, b"[1"))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"No cluster leader", NoLeaderError),
        (
            500,
            b"rpc error getting client: failed to get conn: dial tcp 127.0.0.1:0->127.0.0.1:1: refused",
            NoLeaderError,
        ),
        (500, b"rpc error making call: EOF", NoLeaderError),
        (500, b"No path to datacenter", ConsulServerError),
        (500, b"rpc error making call: Failed to parse filter", ConsulServerError),
        (403, b"ACL not found", PermissionDeniedError),
        (404, b"", ConsulNotFoundError),
        (400, b"Invalid index", RequestRefusedError),
        (301, b"", RequestRefusedError),
        (409, b'{"Results":null}', RequestRefusedError),
    ],
)
def test_errors_are_told_apart(status: int, body: bytes, kind: type) -> None:
    """By status, and servers without a leader by what they say."""
    error = make_status_error(parse_reply(HttpResponse(status, {}, body)))
    assert type(error) is kind
    assert str(error) == f"{status} {body.decode()}".strip()


def test_a_failed_transaction_says_what_failed() -> None:
    """Its JSON is kept."""
    body = b'{"Results":null,"Errors":[{"OpIndex":0,"What":"index is stale"}]}'
    error = make_status_error(parse_reply(HttpResponse(409, JSON, body)))
    assert error is not None
    assert error.reply.json["Errors"][0]["What"] == "index is stale"


def test_success_is_no_error() -> None:
    """Any 2xx."""
    assert make_status_error(parse_reply(HttpResponse(200, JSON, b"true"))) is None
