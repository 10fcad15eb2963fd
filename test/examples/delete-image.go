// Deletes a custom image through the gateway. Needs Go 1.19 and no modules. Build it first: `go run` exits with 1 for every failure.
//
//	GATEWAY_URL=https://images.internal.example.com GATEWAY_TOKEN=… ./delete-image m-nky7qeom
//
// Exit status 0: the image is gone. 3: it was not deleted. Any other: the outcome is unknown, so do not delete again, but query
// `GET /deletions?imageId=…` later. PATIENCE_S: how many seconds to wait for an unknown outcome, or for a retry (default: 300).
// The program uses no proxy.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// answer has the members of a deletion, of a problem, and of the history with its rows.
type answer struct {
	ID, ImageID, Instance, RequestID, Outcome, Detail, Deletion string
	Retryable                                                   bool
	Deletions                                                   []answer
}

var patience = 5 * time.Minute
var gateway, token = strings.TrimSuffix(os.Getenv("GATEWAY_URL"), "/"), os.Getenv("GATEWAY_TOKEN")
var client = http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{}, // Ignores the proxies in the environment.
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // A redirect would take the token along.
	},
}

// refuse exits before anything is sent. The message never contains the token.
func refuse(why string) {
	fmt.Fprintln(os.Stderr, "not_attempted: "+why)
	os.Exit(3)
}

// call sends a request with a new id. Body and Retry-After are empty if the response was lost. wasSent is false if there was no
// connection, so that nothing can have been sent.
func call(method, target string) (id string, body answer, retryAfter string, wasSent bool) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", answer{}, "", false
	}
	random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80
	id = fmt.Sprintf("%x-%x-%x-%x-%x", random[:4], random[4:6], random[6:8], random[8:10], random[10:])
	trace := httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { wasSent = true }}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), &trace), method, gateway+target, nil)
	if err != nil {
		return id, answer{}, "", false
	}
	request.Header = http.Header{"Authorization": {"Bearer " + token}, "X-Request-Id": {id}}
	response, err := client.Do(request)
	if err != nil {
		return id, answer{}, "", wasSent
	}
	defer response.Body.Close()
	if json.NewDecoder(response.Body).Decode(&body) != nil {
		return id, answer{}, "", true
	}
	// The gateway's body names its own request id. A proxy may have replaced ours.
	if body.RequestID != "" && body.RequestID != response.Header.Get("X-Request-Id") {
		return id, answer{}, "", true
	}
	return id, body, response.Header.Get("Retry-After"), true
}

// remove sends the deletion, and retries only what certainly changed nothing.
func remove(image string) (outcome string) {
	for attempt := 1; ; attempt++ {
		id, body, retryAfter, wasSent := call("DELETE", "/images/"+image+"?allowMissing=true")
		if !wasSent && outcome == "" {
			refuse("there is no connection to the gateway")
		}
		if !wasSent {
			return outcome // Keep the outcome of the previous attempt.
		}
		if body.RequestID == "" || (body.ID != image && body.Instance != "/images/"+image) {
			body, retryAfter = answer{RequestID: id}, ""
		}
		log.Printf("request %s: %s %s", body.RequestID, body.Outcome, body.Detail)
		if body.Outcome == "" || body.Outcome == "unknown" {
			return outcomeInLedger(image, id, body.Deletion)
		}
		wait, err := time.ParseDuration(retryAfter + "s")
		if err != nil {
			wait = time.Duration(2*attempt) * time.Second
		}
		outcome = body.Outcome
		isSafe := body.Retryable && (outcome == "not_attempted" || outcome == "rejected")
		if !isSafe || attempt == 3 || wait > patience {
			return outcome
		}
		time.Sleep(wait)
	}
}

// outcomeInLedger queries the ledger for the outcome. It uses only the query string of the URL, because the token must not go elsewhere.
func outcomeInLedger(image, id, address string) string {
	_, query, found := strings.Cut(address, "?")
	if !found {
		query = url.Values{"imageId": {image}, "requestId": {id}}.Encode()
	}
	end := time.Now().Add(patience)
	for pause := time.Second; time.Now().Before(end); pause += time.Second {
		time.Sleep(pause)
		_, page, _, _ := call("GET", "/deletions?"+query)
		outcomes := map[string]bool{}
		for _, row := range page.Deletions {
			if row.ImageID == image {
				outcomes[row.Outcome] = true
			}
		}
		for outcome := range outcomes {
			if outcome == "deleted" || (len(outcomes) == 1 && outcome != "unknown") {
				return outcome
			}
		}
	}
	return "unknown"
}

func main() {
	if len(os.Args) != 2 {
		refuse("usage: GATEWAY_URL=https://… GATEWAY_TOKEN=… delete-image IMAGE_ID")
	}
	image := os.Args[1]
	if seconds, isSet := os.LookupEnv("PATIENCE_S"); isSet {
		if !regexp.MustCompile(`^\d{1,6}$`).MatchString(seconds) {
			refuse("PATIENCE_S must be a whole number of seconds")
		}
		patience, _ = time.ParseDuration(seconds + "s")
	}
	if !regexp.MustCompile(`^(https://[\w.-]+|http://(localhost|127\.0\.0\.1|\[::1\]))(:\d+)?$`).MatchString(gateway) {
		refuse("GATEWAY_URL must be an origin: https, or http on loopback, without path, query or user")
	}
	if !regexp.MustCompile(`^[\w.~+/-]+=*$`).MatchString(token) {
		refuse("GATEWAY_TOKEN is empty, or has a character that no token has, such as a trailing newline")
	}
	// An invalid image id may be a key, so it is never printed.
	if !regexp.MustCompile(`^m-[A-Za-z0-9]{6,32}$`).MatchString(image) {
		refuse("the image id is malformed: it must be m- followed by 6 to 32 ASCII letters or digits")
	}
	outcome := remove(image)
	fmt.Printf("%s: %s\n", image, outcome)
	switch outcome {
	case "deleted", "already_absent":
		os.Exit(0)
	case "not_attempted", "rejected", "not_deleted":
		os.Exit(3)
	}
	os.Exit(1)
}
