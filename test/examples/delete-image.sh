#!/bin/sh
# Deletes a custom image through the gateway. Needs curl 7.83 and jq.
#
#   GATEWAY_URL=https://images.internal.example.com GATEWAY_TOKEN=… ./delete-image.sh m-nky7qeom
#
# Ends with 0: the image is gone. 3: it was not deleted. Anything else: nobody knows; do not delete it again, but look at
# `GET /deletions?imageId=…` later. PATIENCE_S is how long to ask what became of a deletion.
set -eu
image=$1
patience_s=${PATIENCE_S:-300}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# Leaves the answer's body in a file, which is empty if not all of it came, and prints Retry-After. The token goes through a pipe,
# because everybody on this machine can see a program's arguments.
call() {
  : >"$answer"
  printf 'header = "Authorization: Bearer %s"\n' "$GATEWAY_TOKEN" |
    curl --config - --silent --globoff --max-time 30 --output "$answer" --write-out '%header{retry-after}' --request "$@" ||
    : >"$answer"
}

# Prints what jq finds in the answer; nothing if there is none, or if it is not JSON.
look() {
  jq --raw-output --arg id "$id" "$1" "$answer" 2>/dev/null || true
}

attempt=1
while :; do
  id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  wait_s=$(call DELETE "$GATEWAY_URL/images/$image?allowMissing=true" --header "X-Request-Id: $id")
  outcome=$(look 'select(.requestId == $id).outcome')
  look '.detail // empty' >&2
  # Only what is known to have changed nothing is sent again.
  case $(look '.retryable'),$outcome in
    true,not_attempted | true,rejected) wait_s=${wait_s:-$((attempt * 2))} ;;
    *) break ;;
  esac
  if [ "$attempt" -ge 3 ] || [ "$wait_s" -gt "$patience_s" ]; then break; fi
  sleep "$wait_s"
  attempt=$((attempt + 1))
done

# An answer that is lost, or that says "unknown": the ledger knows what became of this very request. Of the address in the answer
# only the query counts, because the token must not go elsewhere.
outcome=${outcome:-unknown}
query=$(look 'select(.requestId == $id).deletion // "" | split("?")[1] // ""')
query=${query:-"imageId=$image&requestId=$id"}
end_s=$(($(date +%s) + patience_s))
pause_s=0
while [ "$outcome" = unknown ] && [ "$(date +%s)" -lt "$end_s" ]; do
  pause_s=$((pause_s + 1))
  sleep "$pause_s"
  call GET "$GATEWAY_URL/deletions?$query" >/dev/null
  outcome=$(look '[.deletions[]?.outcome] | unique |
    if index("deleted") then "deleted" elif length == 1 then .[0] else "unknown" end')
  outcome=${outcome:-unknown}
done

echo "$image: $outcome (request $id)"
case $outcome in
  deleted | already_absent) exit 0 ;;
  not_attempted | rejected | not_deleted) exit 3 ;;
  *) exit 1 ;;
esac
