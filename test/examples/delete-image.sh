#!/bin/sh
# Deletes a custom image through the gateway. Needs curl 7.20 and jq 1.5.
#
#   GATEWAY_URL=https://images.internal.example.com GATEWAY_TOKEN=… ./delete-image.sh m-nky7qeom
#
# Exit status 0: the image is gone. 3: it was not deleted. Any other: the outcome is unknown, so do not delete again, but query
# `GET /deletions?imageId=…` later. PATIENCE_S: how many seconds to wait for an unknown outcome, or for a retry (default: 300).
# The script uses no proxy, and ignores .curlrc, .netrc and .jq.
set -eu
LC_ALL=C
export LC_ALL
image=${1:-}
patience_s=${PATIENCE_S:-300}
url=${GATEWAY_URL:-}
url=${url%/}

# Exits before anything is sent. The message never contains the token.
refuse() {
  echo "not_attempted: $1" >&2
  exit 3
}

for program in curl jq; do
  command -v "$program" >/dev/null || refuse "$program is not installed"
done
[ $# -eq 1 ] || refuse "usage: GATEWAY_URL=https://… GATEWAY_TOKEN=… $0 IMAGE_ID"
# An invalid image id may be a key, so it is never printed.
malformed="the image id is malformed: it must be m- followed by 6 to 32 ASCII letters or digits"
case $image in m-*[!A-Za-z0-9]*) refuse "$malformed" ;; m-??????*) ;; *) refuse "$malformed" ;; esac
[ ${#image} -le 34 ] || refuse "$malformed"
case ${url#*://} in *[!][A-Za-z0-9.:-]*) url= ;; esac
case $url in
  https://?* | http://localhost | http://localhost:* | http://127.0.0.1 | http://127.0.0.1:* | 'http://[::1]' | 'http://[::1]:'*) ;;
  *) refuse "GATEWAY_URL must be an origin: https, or http on loopback, without path, query or user" ;;
esac
case ${GATEWAY_TOKEN:-} in
  '' | *[!A-Za-z0-9._~+/=-]*) refuse "GATEWAY_TOKEN is empty, or has a character that no token has, such as a trailing newline" ;;
esac
case $patience_s in '' | *[!0-9]*) refuse "PATIENCE_S must be a whole number of seconds" ;; esac

answer=$(mktemp) || refuse "cannot create a temporary file"
headers=$answer.headers
trap 'rm -f "$answer" "$headers"' EXIT

# Sends a request with a new id, and writes headers and body of the response to two files. The body is empty if the response is
# incomplete. Returns 1 only if nothing was sent. The token goes through a pipe, because every user can see a program's arguments.
call() {
  id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | sed 's/\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)/\1-\2-4\3-a\4-/')
  : >"$answer"
  : >"$headers"
  status=0
  printf 'header = "Authorization: Bearer %s"\n' "$GATEWAY_TOKEN" |
    curl --disable --config - --silent --show-error --globoff --noproxy '*' --max-time 30 --output "$answer" \
      --dump-header "$headers" --request "$1" --header "X-Request-Id: $id" "$url$2" || status=$?
  [ "$status" -eq 0 ] || : >"$answer"
  # Nothing was sent: invalid protocol, URL or options; unknown host; no connection; untrusted certificate. Not 35, a failed handshake:
  # it may also mean a later handshake, after the request was sent.
  case $status in 1 | 2 | 3 | 6 | 7 | 60) return 1 ;; esac
}

# Prints a header of the response.
header() {
  tr -d '\r' <"$headers" | sed -n "s/^$1: *//p" | tail -n 1
}

# Prints what jq finds in the response, and nothing if that is missing or not JSON.
find_in() {
  HOME=/nonexistent jq --raw-output --arg answered "$request_id" --arg image "$image" "$1" "$answer" 2>/dev/null || true
}

# Accept a response only if its body names its own request id and our image. A proxy may have replaced our request id.
ours='select(.requestId == $answered and (.id == $image or .instance == "/images/" + $image))'
outcome=''
attempt=1
while :; do
  if ! call DELETE "/images/$image?allowMissing=true"; then
    [ -n "$outcome" ] || refuse "there is no connection to the gateway"
    break
  fi
  request_id=$(header '[Xx]-[Rr]equest-[Ii][Dd]')
  request_id=${request_id:-$id}
  outcome=$(find_in "$ours.outcome")
  find_in "$ours.detail // empty" >&2
  # Retry only what certainly changed nothing.
  case $(find_in "$ours.retryable"),$outcome in
    true,not_attempted | true,rejected) ;;
    *) break ;;
  esac
  wait_s=$(header '[Rr]etry-[Aa]fter')
  case $wait_s in '' | *[!0-9]* | ??????*) wait_s=$((attempt * 2)) ;; esac
  if [ "$attempt" -ge 3 ] || [ "$wait_s" -gt "$patience_s" ]; then break; fi
  sleep "$wait_s"
  attempt=$((attempt + 1))
done

# If the response is lost or says "unknown", query the ledger for the outcome. Use only the query string of the URL in the response,
# because the token must not go elsewhere.
outcome=${outcome:-unknown}
query=$(find_in "$ours.deletion // \"\" | split(\"?\")[1] // \"\"")
query=${query:-"imageId=$image&requestId=$request_id"}
end_s=$(($(date +%s) + patience_s))
pause_s=0
while [ "$outcome" = unknown ] && [ "$(date +%s)" -lt "$end_s" ]; do
  pause_s=$((pause_s + 1))
  sleep "$pause_s"
  call GET "/deletions?$query" || continue
  outcome=$(find_in '[.deletions[]? | select(.imageId == $image).outcome] | unique |
    if index("deleted") then "deleted" elif length == 1 then .[0] else "unknown" end')
  outcome=${outcome:-unknown}
done

echo "$image: $outcome (request $request_id)"
case $outcome in
  deleted | already_absent) exit 0 ;;
  not_attempted | rejected | not_deleted) exit 3 ;;
  *) exit 1 ;;
esac
