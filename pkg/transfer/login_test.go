package transfer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// realRegistry starts docker-registry with TLS and one account, user:secret.
// Its certificate is at ca.crt below the place.
func realRegistry(t *testing.T, p *place) string {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("needs docker-registry")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	address := listener.Addr().String()
	check(t, listener.Close())
	p.certificate(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	check(t, err)
	p.write(t, "htpasswd", "user:"+string(hash)+"\n")
	p.write(t, "registry.yml", fmt.Sprintf(`version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s, tls: {certificate: %s, key: %s}}
auth: {htpasswd: {realm: test, path: %s}}
`, p.path("data"), address, p.path("ca.crt"), p.path("ca.key"), p.path("htpasswd")))
	cmd := exec.Command(program, "serve", p.path("registry.yml"))
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 100 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the registry does not answer")
	return ""
}

func (p *place) certificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registry"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	check(t, err)
	p.write(t, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	p.write(t, "ca.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
}

func TestRealRegistryWithTLSAndLogin(t *testing.T) {
	if !alone(t) {
		return
	}
	ctx := context.Background()
	p := newPlace(t, "overlay")
	host := realRegistry(t, p)
	id := p.importFile(t, "localhost/x:latest", "x")
	name := host + "/team/x:1"
	push := func(a Access) error {
		_, err := p.Push(ctx, "localhost/x", name, PushOptions{Access: a})
		return err
	}
	var h interface{ Hint() string }
	if err := push(Access{}); err == nil || !strings.Contains(err.Error(), "certificate") || !asHint(err, &h) || !strings.Contains(h.Hint(), "certs.d/"+host) {
		t.Errorf("unknown authority: %v", err)
	}
	ca, err := os.ReadFile(p.path("ca.crt"))
	check(t, err)
	p.write(t, ".config/containers/certs.d/"+host+"/ca.crt", string(ca))
	if err := push(Access{}); err == nil || !asHint(err, &h) || !strings.Contains(h.Hint(), "carob login "+host) {
		t.Errorf("without login: %v", err)
	}
	if _, err := p.Login(ctx, host, "user", "wrong", AuthFiles{}); err == nil || !strings.Contains(err.Error(), "password is wrong") {
		t.Errorf("wrong password: %v", err)
	}
	check(t, push(Access{Credentials: "user:secret"}))
	where, err := p.Login(ctx, host, "user", "secret", AuthFiles{})
	check(t, err)
	if where != p.path("runtime/containers/auth.json") {
		t.Errorf("kept in %s", where)
	}
	st, err := os.Stat(where)
	check(t, err)
	if st.Mode().Perm() != 0o600 {
		t.Errorf("readable for others: %v", st.Mode())
	}
	check(t, push(Access{}))
	p.clear(t)
	ids, err := p.Pull(ctx, name, PullOptions{})
	check(t, err)
	if ids[0] != id || p.read(t, name, "file") != "x" {
		t.Errorf("pulled %v, pushed %s", ids, id)
	}
	check(t, p.Logout(host, AuthFiles{}))
	if err := push(Access{}); err == nil {
		t.Error("still logged in")
	}
	var out *NotLoggedInError
	if err := p.Logout(host, AuthFiles{}); !errors.As(err, &out) {
		t.Errorf("logged out twice: %v", err)
	}
}

func TestCorner50AuthLookup(t *testing.T) {
	if !alone(t) {
		return
	}
	p := newPlace(t, "overlay")
	auth := func(user string) string { // base64 of user:p
		return map[string]string{"r": "cjpw", "c": "Yzpw", "d": "ZDpw", "f": "Zjpw", "n": "bjpw"}[user]
	}
	file := func(key, user string) string { return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, key, auth(user)) }
	want := func(key string, f AuthFiles, user string) {
		t.Helper()
		got, _, err := p.User(key, f)
		if err != nil || got != user {
			t.Errorf("%s is %q %v, not %q", key, got, err, user)
		}
	}
	var none *NotLoggedInError
	if _, _, err := p.User("reg.example", AuthFiles{}); !errors.As(err, &none) {
		t.Errorf("without files: %v", err)
	}
	p.write(t, ".docker/config.json", file("reg.example", "d"))
	want("reg.example", AuthFiles{}, "d")
	if err := p.Logout("reg.example", AuthFiles{}); err == nil || !strings.Contains(err.Error(), "another program's") {
		t.Errorf("docker's credentials: %v", err)
	}
	p.write(t, ".config/containers/auth.json", file("reg.example", "c"))
	want("reg.example", AuthFiles{}, "c")
	p.write(t, "runtime/containers/auth.json", file("reg.example", "r"))
	want("reg.example", AuthFiles{}, "r")
	p.write(t, "own.json", file("reg.example", "f"))
	want("reg.example", AuthFiles{File: p.path("own.json")}, "f")
	p.write(t, "own.json", file("reg.example/team", "n"))
	want("reg.example/team/x", AuthFiles{File: p.path("own.json")}, "n")
	if _, _, err := p.User("reg.example", AuthFiles{File: p.path("own.json")}); !errors.As(err, &none) {
		t.Errorf("a namespace's credentials are not the registry's: %v", err)
	}
	check(t, p.LogoutAll(AuthFiles{File: p.path("own.json")}))
	raw, err := os.ReadFile(p.path("own.json"))
	check(t, err)
	var left struct{ Auths map[string]any }
	check(t, json.Unmarshal(raw, &left))
	if len(left.Auths) > 0 {
		t.Errorf("left: %s", raw)
	}
	for typed, want := range map[string]string{
		"https://reg.example/v2/": "reg.example", "reg.example/": "reg.example", "reg.example:5000/team": "reg.example:5000/team",
	} {
		if got, err := p.Registry(typed, AuthFiles{}); err != nil || got != want {
			t.Errorf("%s: %s %v", typed, got, err)
		}
	}
	if _, err := p.Registry("", AuthFiles{}); err == nil {
		t.Error("no registry at all")
	}
	if _, err := p.Registry("a b", AuthFiles{}); err == nil {
		t.Error("a registry with a blank")
	}
}
