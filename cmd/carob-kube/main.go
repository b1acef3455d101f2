// Command carob-kube translates between Kubernetes YAML and carob's own
// structs: a kube.Request on its standard input, a kube.Reply on its standard
// output, and nothing else. carob runs it for the kube commands and acts on
// the answer; the types of Kubernetes cost more at start-up than all of carob.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/carob-containers/carob/libpod/kube"
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
	default:
		err = fmt.Errorf("the request asks for nothing")
	}
	return reply, err
}
