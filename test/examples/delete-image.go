// Deletes a custom image through the gateway. Needs Go 1.19 and no module. Build it first: `go run` makes 1 of every failure.
//
//	GATEWAY_URL=https://images.internal.example.com GATEWAY_TOKEN=… ./delete-image m-nky7qeom
//
// Exit status 0: the image is gone. 3: it was not deleted. Any other: nobody knows; do not delete it again, but ask
// `GET /deletions?imageId=…` later. PATIENCE_S is how many seconds to ask for the outcome of a deletion. It uses no proxy.
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
	Transport: &http.Transport{}, // Without the proxies of the environment.
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // The token would travel along.
	},
}

// refuse ends the program before anything was sent. What it prints never holds the token.
func refuse(why string) {
	fmt.Fprintln(os.Stderr, "not_attempted: "+why)
	os.Exit(3)
}

// call sends a request under an id of its own. Body and Retry-After are empty if the response was lost. wasSent is false if there was
// no connection on which the request could have been sent.
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
	// The gateway's response names the request that it answers. A proxy may have replaced our id.
	if body.RequestID != "" && body.RequestID != response.Header.Get("X-Request-Id") {
		return id, answer{}, "", true
	}
	return id, body, response.Header.Get("Retry-After"), true
}

// remove sends the deletion, and sends again only what is known to have changed nothing.
func remove(image string) (outcome string) {
	for attempt := 1; ; attempt++ {
		id, body, retryAfter, wasSent := call("DELETE", "/images/"+image+"?allowMissing=true")
		if !wasSent && outcome == "" {
			refuse("there is no connection to the gateway")
		}
		if !wasSent {
			return outcome // The outcome of the previous attempt is still all that is known.
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

// outcomeInLedger asks for the outcome of this request. Only the query of the address is used: the token must not go elsewhere.
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
		refuse("GATEWAY_TOKEN is blank, or has a character that no token has, such as a newline at its end")
	}
	// An invalid image id may be a key, so it is never printed.
	if !regexp.MustCompile(`^m-[A-Za-z0-9]{6,32}$`).MatchString(image) {
		refuse("the image id is malformed: it must be m- and 6 to 32 ASCII letters or digits")
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
