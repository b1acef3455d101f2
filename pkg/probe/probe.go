// Package probe asks servers whether they are well, as Kubernetes' kubelet
// does. Each function returns what it found in words, or an error.
package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// agent begins as the kubelet's, which servers are used to leave out of their
// logs.
const agent = "kube-probe/carob"

// maxBody is how much of a response is read.
const maxBody = 10 << 10

// HTTP wants a status from 200 to 399 from url. headers are NAME: VALUE; Host
// changes the request's host. Certificates are not checked. Redirects are
// followed on the same host; one to elsewhere is well in itself.
func HTTP(ctx context.Context, url string, headers []string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", "*/*")
	given := http.Header{}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return "", fmt.Errorf("%q is not a header: NAME: VALUE is wanted", h)
		}
		given.Add(name, strings.TrimSpace(value))
	}
	for name, values := range given {
		req.Header[name] = values
		if name == "Host" {
			req.Host = values[len(values)-1]
		}
	}
	if len(given["Accept"]) == 1 && given.Get("Accept") == "" {
		req.Header.Del("Accept") // said on purpose
	}
	resp, err := client().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return "", fmt.Errorf("cannot read the answer: %w", err)
	}
	found := strings.TrimSpace(fmt.Sprintf("HTTP status %d\n%s", resp.StatusCode, body))
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return "", fmt.Errorf("%s", found)
	}
	return found, nil
}

func client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
			DisableKeepAlives:  true,
			DisableCompression: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			if len(via) >= 10 {
				return fmt.Errorf("stopped after 10 redirects")
			}
			return nil
		},
	}
}

// TCP wants a connection to addr, HOST:PORT.
func TCP(ctx context.Context, addr string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	return "connected to " + addr, conn.Close()
}

// GRPC wants SERVING from the health service (grpc.health.v1) at addr for
// service, "" for the server as a whole.
func GRPC(ctx context.Context, addr, service string) (string, error) {
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent(agent))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	resp, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		return "", err
	}
	if resp.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return "", fmt.Errorf("service %q is %s", service, resp.Status)
	}
	return resp.Status.String(), nil
}
