package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carob-containers/carob/test/rig"
)

// patience is how long anything may take. It is much, for machines that are
// busy with other things; what heals needs a second or two, or the time that
// the probes of the YAML take.
const patience = 3 * time.Minute

// site is a place with the images and, while it is played, the guest book.
type site struct {
	*rig.Place
	t    *testing.T
	file string // the YAML, with a port of its own
	url  string

	containers map[string]string // by their names in the YAML
	visits     int               // the last count

	mu     sync.Mutex
	notes  []int // that were acknowledged
	writer chan struct{}
	ended  chan struct{}
}

func newSite(t *testing.T) *site {
	t.Helper()
	place, err := host.NewPlace(filepath.Join(host.Root, "guestbook"))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Place: place, t: t}
	t.Cleanup(func() {
		s.quiet()
		if t.Failed() {
			s.tell()
		}
		for _, leak := range place.Close() {
			if !t.Failed() { // what failed has said what it left
				t.Error("left behind at the end: " + leak)
			}
		}
	})
	for _, name := range servers {
		s.must("load", "--quiet", "--input", filepath.Join(host.Cache, "guestbook", "guestbook-"+name+".tar"))
	}
	s.choosePort()
	return s
}

// choosePort writes the YAML with a port that nobody has: others test on the
// same machine.
func (s *site) choosePort() {
	s.t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		s.t.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	if err := listener.Close(); err != nil {
		s.t.Fatal(err)
	}
	yaml, err := os.ReadFile(s.yaml())
	if err != nil {
		s.t.Fatal(err)
	}
	text := string(yaml)
	for _, before := range []string{"hostPort: ", "http://host.containers.internal:"} {
		if strings.Count(text, before+"8080") != 1 {
			s.t.Fatalf("%s8080 does not stand once in %s", before, s.yaml())
		}
		text = strings.Replace(text, before+"8080", before+port, 1)
	}
	s.file, s.url = filepath.Join(s.Home, "guestbook.yaml"), "http://127.0.0.1:"+port
	if err := os.WriteFile(s.file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// play has the guest book running, with all its probes content, and notes
// written into it.
func (s *site) play() {
	s.t.Helper()
	s.must("kube", "play", s.file)
	s.containers = map[string]string{}
	var all []struct {
		Names  []string
		Labels map[string]string
	}
	if err := json.Unmarshal([]byte(s.must("ps", "--format", "json")), &all); err != nil {
		s.t.Fatal(err)
	}
	for _, c := range all {
		if name := c.Labels["io.kubernetes.container.name"]; name != "" {
			s.containers[name] = c.Names[0]
		}
	}
	for _, name := range append([]string{"visitor"}, servers...) {
		if s.containers[name] == "" {
			s.t.Fatalf("no container %s runs: %v", name, s.containers)
		}
	}
	s.visits = 0
	s.allHealthy()
	s.write()
}

func (s *site) allHealthy() {
	s.t.Helper()
	for _, name := range servers {
		s.until(name+" is healthy", func() bool {
			return s.must("inspect", "--format", "{{.State.Health.Status}}", s.containers[name]) == "healthy\n"
		})
	}
	s.podRuns()
}

func (s *site) podRuns() {
	s.t.Helper()
	if state := s.must("pod", "inspect", "--format", "{{.State}}", s.pod()); state != "Running\n" {
		s.t.Errorf("the pod is %s", state)
	}
}

// write begins to write notes, until quiet.
func (s *site) write() {
	s.writer, s.ended = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.ended)
		for {
			select {
			case <-s.writer:
				return
			case <-time.After(50 * time.Millisecond):
				_, _ = s.add() // one that is refused is not acknowledged
			}
		}
	}()
}

func (s *site) quiet() {
	if s.writer != nil {
		close(s.writer)
		<-s.ended
		s.writer = nil
	}
}

// add writes a note and remembers that it was acknowledged.
func (s *site) add() (int, error) {
	text, err := s.ask(http.MethodPost, "/notes", "a note")
	if err != nil {
		return 0, err
	}
	id, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, id)
	return id, nil
}

func (s *site) acknowledged() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notes)
}

func (s *site) get(path string) (string, error) { return s.ask(http.MethodGet, path, "") }

// ask is one request on a connection of its own. An answer that is not a
// success is an error.
func (s *site) ask(method, path, body string) (string, error) {
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return "", err
	}
	if answer.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s: %s", answer.Status, text)
	}
	return string(text), nil
}

// answersAfter waits for the guest book to take a note and to show its front
// page, and looks at what it has kept. It gives no command.
func (s *site) answersAfter(when string) {
	s.t.Helper()
	begin := time.Now()
	var last error
	for visits := 0; ; time.Sleep(50 * time.Millisecond) {
		if _, last = s.add(); last == nil {
			if visits, last = s.front(); last == nil {
				s.counted(visits, when)
				break
			}
		}
		if time.Since(begin) > patience {
			s.t.Fatalf("%s: the guest book does not answer: %v", when, last)
		}
	}
	s.t.Logf("%s: %.1f s", when, time.Since(begin).Seconds())
	s.there(s.acknowledged(), when)
}

func (s *site) front() (visits int, err error) {
	text, err := s.get("/")
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscanf(text, "visits %d\n", &visits)
	return visits, err
}

// counted: redis wrote each visit down before it was acknowledged.
func (s *site) counted(visits int, when string) {
	s.t.Helper()
	if visits <= s.visits {
		s.t.Errorf("%s: visit number %d after number %d", when, visits, s.visits)
	}
	s.visits = visits
}

// there: the notes that were acknowledged are.
func (s *site) there(acknowledged []int, when string) {
	s.t.Helper()
	text, err := s.get("/notes")
	if err != nil {
		s.t.Fatalf("%s: %v", when, err)
	}
	there := map[string]bool{}
	for _, id := range strings.Fields(text) {
		there[id] = true
	}
	missing := slices.DeleteFunc(acknowledged, func(id int) bool { return there[strconv.Itoa(id)] })
	if len(missing) > 0 {
		s.t.Errorf("%s: notes that were acknowledged are lost: %v", when, missing)
	}
}

// visited: the visitor came in, and what it was told is true.
func (s *site) visited() {
	s.t.Helper()
	var taken []int
	for line := range strings.Lines(s.must("logs", s.containers["visitor"])) {
		var id int
		if _, err := fmt.Sscanf(line, "taken %d", &id); err == nil {
			taken = append(taken, id)
		}
	}
	if len(taken) == 0 {
		s.t.Error("the visitor has left no note")
	}
	s.there(taken, "what the visitor wrote")
}

// must is a command that works, after whatever happened before.
func (s *site) must(args ...string) string {
	s.t.Helper()
	r, err := s.try(args)
	if err != nil {
		s.t.Fatalf("carob %s: %v", strings.Join(args, " "), err)
	}
	if r.Code != 0 {
		s.t.Errorf("carob %s: exit code %d: %s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

func (s *site) try(args []string) (rig.Result, error) {
	return s.Try(host.Root, patience, "carob", args...)
}

// tell logs what helps to understand a failure.
func (s *site) tell() {
	for _, args := range [][]string{{"ps", "--all"}, {"pod", "ps"}} {
		if r, err := s.try(args); err == nil {
			s.t.Logf("carob %s:\n%s%s", strings.Join(args, " "), r.Stdout, r.Stderr)
		}
	}
	for _, name := range servers {
		if r, err := s.try([]string{"logs", "--tail", "15", s.containers[name]}); err == nil && s.containers[name] != "" {
			s.t.Logf("the last lines of %s:\n%s%s", name, r.Stdout, r.Stderr)
		}
	}
}

func (s *site) until(what string, true func() bool) {
	s.t.Helper()
	for begin := time.Now(); !true(); time.Sleep(100 * time.Millisecond) {
		if s.t.Failed() || time.Since(begin) > patience {
			s.t.Fatalf("waited in vain: %s", what)
		}
	}
}
