#!/usr/bin/env python3
"""Deletes a custom image through the gateway. Needs only Python 3.8.

  GATEWAY_URL=https://images.internal.example.com GATEWAY_TOKEN=… ./delete-image.py m-nky7qeom

Exit status 0: the image is gone. 3: it was not deleted. Any other: the outcome is unknown, so do not delete again, but query
`GET /deletions?imageId=…` later. PATIENCE_S: how many seconds to wait for an unknown outcome, or for a retry (default: 300).
The script uses no proxy, and ignores PYTHON… variables.
"""
import os
import sys

if not sys.flags.isolated:
    # PYTHONINSPECT would change the exit status, and a file http.py next to this one would be imported.
    os.execv(sys.executable, [sys.executable, "-I", *sys.argv])

import http.client
import json
import re
import time
import urllib.parse
import uuid


class NotSent(Exception):
    """Nothing was sent. The message never contains the token."""


def settings():
    """The image id, the gateway, the token and the patience. Checks the token, because libraries may quote an invalid one."""
    if len(sys.argv) != 2:
        raise NotSent("usage: GATEWAY_URL=https://… GATEWAY_TOKEN=… delete-image.py IMAGE_ID")
    url, token = os.environ.get("GATEWAY_URL", ""), os.environ.get("GATEWAY_TOKEN", "")
    if not re.fullmatch(r"https://[\w.-]+(:\d+)?/?|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?/?", url, re.ASCII):
        raise NotSent("GATEWAY_URL must be an origin: https, or http on loopback, without path, query or user")
    if not re.fullmatch(r"[\w.~+/-]+=*", token, re.ASCII):
        raise NotSent("GATEWAY_TOKEN is empty, or has a character that no token has, such as a trailing newline")
    # An invalid image id may be a key, so it is never printed.
    if not re.fullmatch(r"m-[A-Za-z0-9]{6,32}", sys.argv[1]):
        raise NotSent("the image id is malformed: it must be m- followed by 6 to 32 ASCII letters or digits")
    if not re.fullmatch(r"\d{1,6}", os.environ.get("PATIENCE_S", "300"), re.ASCII):
        raise NotSent("PATIENCE_S must be a whole number of seconds")
    return sys.argv[1], urllib.parse.urlsplit(url), token, int(os.environ.get("PATIENCE_S", "300"))


def call(method, target):
    """Sends a request with a new id. Headers and JSON of the response are empty if it was lost."""
    request_id = str(uuid.uuid4())
    # Unlike urllib.request, http.client follows no redirects, so the token goes nowhere else.
    kind = http.client.HTTPConnection if GATEWAY.scheme == "http" else http.client.HTTPSConnection
    try:
        connection = kind(GATEWAY.netloc, timeout=30)
        connection.connect()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NotSent(f"there is no connection to the gateway ({type(error).__name__})") from None
    try:
        connection.request(method, target, headers={"Authorization": f"Bearer {TOKEN}", "X-Request-Id": request_id})
        response = connection.getresponse()
        body = json.load(response)
        if isinstance(body, dict):
            return request_id, response.headers, body
    except (OSError, ValueError, http.client.HTTPException) as error:
        # Only its type: the message of an exception may quote what was sent.
        print(f"{method} {target}: {type(error).__name__}", file=sys.stderr)
    finally:
        connection.close()
    return request_id, {}, {}


def is_ours(headers, body):
    """Whether a body names its own request id and our image. A proxy may have replaced our request id."""
    is_about_image = body.get("id") == IMAGE or body.get("instance") == f"/images/{IMAGE}"
    return is_about_image and body.get("requestId") == headers.get("X-Request-Id", "")


def outcome_in_ledger(query):
    """The outcome of the request, from the ledger."""
    end_s, pause_s = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < end_s:
        pause_s += 1
        time.sleep(pause_s)
        try:
            _, _, page = call("GET", f"/deletions?{query}")
        except NotSent:
            continue
        outcomes = {row["outcome"] for row in page.get("deletions", []) if row["imageId"] == IMAGE}
        if "deleted" in outcomes:
            return "deleted"
        if len(outcomes) == 1 and "unknown" not in outcomes:
            return outcomes.pop()
    return "unknown"


def delete():
    outcome = None
    for attempt in (1, 2, 3):
        try:
            request_id, headers, body = call("DELETE", f"/images/{IMAGE}?allowMissing=true")
        except NotSent:
            # Keep the outcome of the previous attempt.
            if outcome is None:
                raise
            return outcome
        if not is_ours(headers, body):
            headers, body = {}, {}
        outcome = body.get("outcome", "unknown")
        print(f"Request {body.get('requestId', request_id)}: {outcome}. {body.get('detail', '')}", file=sys.stderr)
        if outcome == "unknown":
            # Use only the query string of the URL in the response, because the token must not go elsewhere.
            query = urllib.parse.urlsplit(body.get("deletion", "")).query
            return outcome_in_ledger(query or urllib.parse.urlencode({"imageId": IMAGE, "requestId": request_id}))
        retry_after = headers.get("Retry-After", "")
        wait_s = int(retry_after) if re.fullmatch(r"\d{1,6}", retry_after, re.ASCII) else 2 * attempt
        # Retry only what certainly changed nothing.
        is_safe = body.get("retryable") is True and outcome in ("not_attempted", "rejected")
        if not is_safe or attempt == 3 or wait_s > PATIENCE_S:
            return outcome
        time.sleep(wait_s)


try:
    IMAGE, GATEWAY, TOKEN, PATIENCE_S = settings()
    result = delete()
except NotSent as reason:
    print(f"not_attempted: {reason}", file=sys.stderr)
    sys.exit(3)
print(f"{IMAGE}: {result}")
sys.exit({"deleted": 0, "already_absent": 0, "not_attempted": 3, "rejected": 3, "not_deleted": 3}.get(result, 1))
