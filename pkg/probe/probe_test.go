package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/204":
		w.WriteHeader(204)
	case "/404":
		w.WriteHeader(404)
	case "/near":
		http.Redirect(w, r, "/404", http.StatusFound)
	case "/far":
		http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
	case "/round":
		http.Redirect(w, r, "/round", http.StatusFound)
	case "/slow":
		<-r.Context().Done()
	default:
		fmt.Fprintf(w, "host %s agent %s accept %v x %v query %s", r.Host, r.UserAgent(), r.Header["Accept"], r.Header["X"], r.URL.RawQuery)
	}
}

func TestHTTP(t *testing.T) {
	plain, secure := httptest.NewServer(http.HandlerFunc(answer)), httptest.NewTLSServer(http.HandlerFunc(answer))
	defer plain.Close()
	defer secure.Close()
	for _, tc := range []struct {
		url     string
		headers []string
		want    string // part of what it says; "!" before it for a failure
	}{
		{plain.URL + "/?a=b", nil, "agent kube-probe/carob accept [*/*] x [] query a=b"},
		{plain.URL, []string{"Host: example.org", "X: 1", "x:2"}, "host example.org agent kube-probe/carob accept [*/*] x [1 2]"},
		{plain.URL, []string{"User-Agent: mine", "Accept:"}, "agent mine accept [] "},
		{plain.URL + "/204", nil, "HTTP status 204"},
		{plain.URL + "/404", nil, "!HTTP status 404"},
		{plain.URL + "/near", nil, "!HTTP status 404"},
		{plain.URL + "/far", nil, "HTTP status 302"},
		{plain.URL + "/round", nil, "!10 redirects"},
		{secure.URL + "/", nil, "HTTP status 200"},
		{"http://127.0.0.1:1/", nil, "!refused"},
		{"http://127.0.0.1:x/", nil, "!invalid port"},
		{plain.URL, []string{"x"}, "!not a header"},
	} {
		said, err := HTTP(soon(t), tc.url, tc.headers)
		want, fails := strings.CutPrefix(tc.want, "!")
		if err != nil {
			said = err.Error()
		}
		if fails != (err != nil) || !strings.Contains(said, want) {
			t.Errorf("%s %v: %q, want %q", tc.url, tc.headers, said, tc.want)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := HTTP(ctx, plain.URL+"/slow", nil); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("%v", err)
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TCP(soon(t), l.Addr().String()); err != nil {
		t.Error(err)
	}
	l.Close()
	if _, err := TCP(soon(t), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, service := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, service)
	service.SetServingStatus("ill", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	service.SetServingStatus("well", grpc_health_v1.HealthCheckResponse_SERVING)
	go server.Serve(l)
	defer server.Stop()
	addr := l.Addr().String()
	for name, want := range map[string]string{"": "", "well": "", "ill": `service "ill" is NOT_SERVING`, "none": "unknown service"} {
		_, err := GRPC(soon(t), addr, name)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	if _, err := GRPC(soon(t), "127.0.0.1:1", ""); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}
