// Deletes a custom image through the gateway. Needs Go 1.19 and no module. Build it first: `go run` makes 1 of every failure.
//
//	GATEWAY_URL=https://images.internal.example.com GATEWAY_TOKEN=… ./delete-image m-nky7qeom
//
// Ends with 0: the image is gone. 3: it was not deleted. Anything else: nobody knows; do not delete it again, but look at
// `GET /deletions?imageId=…` later.
package main

import (
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// answer has the members of a deletion, of a problem, and of the history with its rows.
type answer struct {
	Outcome, Detail, Deletion string
	Retryable                 bool
	Deletions                 []answer
}

var patience = flag.Duration("patience", 5*time.Minute, "how long to ask what became of a deletion")
var client = http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse // The token would travel along.
}}

// call sends a request with an id of its own. Body and Retry-After are empty if the answer to it did not come.
func call(method, target string) (id string, body answer, retryAfter string) {
	random := make([]byte, 16)
	request, err := http.NewRequest(method, os.Getenv("GATEWAY_URL")+target, nil)
	if _, fault := rand.Read(random); fault != nil || err != nil {
		log.Fatal(fault, err)
	}
	id = fmt.Sprintf("%x", random)
	request.Header = http.Header{"Authorization": {"Bearer " + os.Getenv("GATEWAY_TOKEN")}, "X-Request-Id": {id}}
	if response, err := client.Do(request); err == nil {
		defer response.Body.Close()
		if json.NewDecoder(response.Body).Decode(&body) == nil && response.Header.Get("X-Request-Id") == id {
			return id, body, response.Header.Get("Retry-After")
		}
	}
	return id, answer{}, ""
}

// remove sends the deletion, and sends again only what is known to have changed nothing.
func remove(image string) string {
	for attempt := 1; ; attempt++ {
		id, body, retryAfter := call("DELETE", "/images/"+url.PathEscape(image)+"?allowMissing=true")
		log.Printf("request %s: %s %s", id, body.Outcome, body.Detail)
		if body.Outcome == "" || body.Outcome == "unknown" {
			return fate(image, id, body.Deletion)
		}
		wait, err := time.ParseDuration(retryAfter + "s")
		if err != nil {
			wait = time.Duration(2*attempt) * time.Second
		}
		isSafe := body.Retryable && (body.Outcome == "not_attempted" || body.Outcome == "rejected")
		if !isSafe || attempt == 3 || wait > *patience {
			return body.Outcome
		}
		time.Sleep(wait)
	}
}

// fate asks the ledger what became of this very request. Of the address only the query counts: the token must not go elsewhere.
func fate(image, id, address string) string {
	_, query, found := strings.Cut(address, "?")
	if !found {
		query = url.Values{"imageId": {image}, "requestId": {id}}.Encode()
	}
	end := time.Now().Add(*patience)
	for pause := time.Second; time.Now().Before(end); pause += time.Second {
		time.Sleep(pause)
		_, page, _ := call("GET", "/deletions?"+query)
		outcomes := map[string]bool{}
		for _, row := range page.Deletions {
			outcomes[row.Outcome] = true
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
	flag.Parse()
	outcome := remove(flag.Arg(0))
	fmt.Printf("%s: %s\n", flag.Arg(0), outcome)
	switch outcome {
	case "deleted", "already_absent":
		os.Exit(0)
	case "not_attempted", "rejected", "not_deleted":
		os.Exit(3)
	}
	os.Exit(1)
}
