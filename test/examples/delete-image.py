#!/usr/bin/env python3
"""Deletes a custom image through the gateway. Needs nothing but Python 3.8.

  GATEWAY_URL=https://images.internal.example.com GATEWAY_TOKEN=… ./delete-image.py m-nky7qeom

Ends with 0: the image is gone. 3: it was not deleted. Anything else: nobody knows; do not delete it again, but look at
`GET /deletions?imageId=…` later. PATIENCE_S is how long to ask what became of a deletion.
"""
import http.client
import json
import os
import sys
import time
import urllib.parse
import uuid

GATEWAY, TOKEN = urllib.parse.urlsplit(os.environ["GATEWAY_URL"]), os.environ["GATEWAY_TOKEN"]
PATIENCE_S = int(os.environ.get("PATIENCE_S", "300"))


def call(method, target):
    """Sends a request with an id of its own. The answer's headers and JSON are empty if it did not come."""
    request_id = str(uuid.uuid4())
    # Unlike urllib.request, http.client takes the token along to no other place.
    kind = http.client.HTTPConnection if GATEWAY.scheme == "http" else http.client.HTTPSConnection
    try:
        line = kind(GATEWAY.netloc, timeout=30)
        line.request(method, target, headers={"Authorization": f"Bearer {TOKEN}", "X-Request-Id": request_id})
        answer = line.getresponse()
        body = json.load(answer)
        if answer.headers["X-Request-Id"] == request_id:
            return request_id, answer.headers, body
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"{method} {target}: {error!r}", file=sys.stderr)
    return request_id, {}, {}


def fate(query):
    """What the ledger says became of the request."""
    end_s, pause_s = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < end_s:
        pause_s += 1
        time.sleep(pause_s)
        _, _, body = call("GET", f"/deletions?{query}")
        outcomes = {row["outcome"] for row in body.get("deletions", [])}
        if "deleted" in outcomes:
            return "deleted"
        if len(outcomes) == 1 and "unknown" not in outcomes:
            return outcomes.pop()
    return "unknown"


def delete(image):
    for attempt in (1, 2, 3):
        path = f"/images/{urllib.parse.quote(image, safe='')}"
        request_id, headers, body = call("DELETE", f"{path}?allowMissing=true")
        outcome = body.get("outcome", "unknown")
        print(f"Request {request_id}: {outcome}. {body.get('detail', '')}", file=sys.stderr)
        if outcome == "unknown":
            # Of the address in the answer only the query counts, because the token must not go elsewhere.
            query = urllib.parse.urlsplit(body.get("deletion", "")).query
            return fate(query or urllib.parse.urlencode({"imageId": image, "requestId": request_id}))
        wait_s = int(headers.get("Retry-After", 2 * attempt))
        # Only what is known to have changed nothing is sent again.
        is_safe = body.get("retryable") is True and outcome in ("not_attempted", "rejected")
        if not is_safe or attempt == 3 or wait_s > PATIENCE_S:
            return outcome
        time.sleep(wait_s)


result = delete(sys.argv[1])
print(f"{sys.argv[1]}: {result}")
sys.exit({"deleted": 0, "already_absent": 0, "not_attempted": 3, "rejected": 3, "not_deleted": 3}.get(result, 1))
