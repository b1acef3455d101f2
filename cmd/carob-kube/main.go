// Command carob-kube translates between Kubernetes YAML and carob's own
// structs: a kube.Request on its standard input, a kube.Reply on its standard
// output, and nothing else. carob runs it for the kube commands and acts on
// the answer; the types of Kubernetes cost more at start-up than all of carob.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/carob-containers/carob/libpod/kube"
	"github.com/carob-containers/carob/libpod/kube/generate"
	"github.com/carob-containers/carob/libpod/kube/translate"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "Error: carob-kube: %v\n", err)
		os.Exit(125)
	}
}

func run(in io.Reader, out io.Writer) error {
	var req kube.Request
	if err := json.NewDecoder(in).Decode(&req); err != nil {
		return fmt.Errorf("cannot read the request: %w", err)
	}
	reply, err := answer(&req)
	if err != nil {
		reply.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(reply)
}

func answer(req *kube.Request) (*kube.Reply, error) {
	reply := &kube.Reply{}
	var err error
	switch {
	case req.Translate != nil:
		reply.Plan, reply.Warnings, err = translate.Plan(req.Translate)
	case req.Generate != nil:
		reply.YAML, reply.Warnings, err = generate.YAML(req.Generate)
	case req.Fetch != "":
		reply.YAML, err = fetch(req.Fetch)
	default:
		err = fmt.Errorf("the request asks for nothing")
	}
	return reply, err
}

// maxFile and maxTime bound what a server may send.
const (
	maxFile = 64 << 20
	maxTime = 2 * time.Minute
)

// fetch reads the file at an address, of Kubernetes YAML or a unit of Quadlet's.
func fetch(address string) ([]byte, error) {
	client := http.Client{Timeout: maxTime}
	resp, err := client.Get(address)
	if u, err := url.Parse(address); err == nil {
		address = u.Redacted() // from here on it is only shown
	}
	var failure *url.Error
	if errors.As(err, &failure) {
		err = failure.Err // names the address, too
	}
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %s: %w", address, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("cannot fetch %s: the server answers %s", address, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxFile+1))
	if err == nil && len(body) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %s: %w", address, err)
	}
	return body, nil
}
