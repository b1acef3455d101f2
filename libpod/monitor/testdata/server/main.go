// Command server is what probes are asked of in a container: HTTP at 8080,
// HTTPS at 8443, gRPC health at 9090. Each is well until the file /tmp/bad is
// there.
package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

type service struct {
	grpc_health_v1.UnimplementedHealthServer
}

func bad() bool {
	_, err := os.Stat("/tmp/bad")
	return err == nil
}

func (service) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if bad() {
		return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING}, nil
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func answer(w http.ResponseWriter, r *http.Request) {
	if bad() || r.URL.Path != "/healthz" || r.Header.Get("X-Asked") != "by carob" {
		http.Error(w, "not well", http.StatusServiceUnavailable)
	}
}

func listen(addr string) net.Listener {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	return l
}

func main() {
	secure := httptest.NewUnstartedServer(http.HandlerFunc(answer))
	secure.Listener = listen(":8443")
	secure.StartTLS()
	go http.Serve(listen(":8080"), http.HandlerFunc(answer))
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, service{})
	s.Serve(listen(":9090"))
}
