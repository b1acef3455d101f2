package main

import (
	"maps"
	"testing"
)

func TestCorner43ListenFDs(t *testing.T) {
	env := map[string]string{"LISTEN_FDS": "2", "LISTEN_PID": "42", "LISTEN_FDNAMES": "a:b"}
	getenv := func(name string) string { return env[name] }
	n, got := listenFDs(getenv, 42)
	want := map[string]string{"LISTEN_FDS": "2", "LISTEN_PID": "1", "LISTEN_FDNAMES": "a:b"}
	if n != 2 || !maps.Equal(got, want) {
		t.Errorf("got %d, %v", n, got)
	}
	if n, got := listenFDs(getenv, 43); n != 0 || got != nil {
		t.Errorf("sockets of another process: got %d, %v", n, got)
	}
}
