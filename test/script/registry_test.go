package script

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/carob-containers/carob/test/rig"
	"github.com/rogpeppe/go-internal/testscript"
)

// startRegistry starts Debian's docker-registry on a loopback port, over TLS
// with a certificate that the script's certs.d trusts, for the user "user"
// with the password "secret". $REGISTRY becomes its host:port.
//
//	registry [anonymous] [untrusted]
func startRegistry(_ *rig.Host, ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("registry cannot be negated")
	}
	anonymous, untrusted := false, false
	for _, arg := range args {
		switch arg {
		case "anonymous":
			anonymous = true
		case "untrusted":
			untrusted = true
		default:
			ts.Fatalf("usage: registry [anonymous] [untrusted]")
		}
	}
	dir := ts.MkAbs("registry")
	ts.Check(os.MkdirAll(dir, 0o755))
	address, err := freeAddress()
	ts.Check(err)
	roots, err := makeCertificate(dir)
	ts.Check(err)
	config, err := registryConfig(dir, address, !anonymous)
	ts.Check(err)

	log, err := os.Create(filepath.Join(dir, "log"))
	ts.Check(err)
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.Stdout, cmd.Stderr = log, log
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()         // with the signal just sent
		log.Close()
	})
	ts.Check(answers(address, roots))
	if !untrusted {
		trusted := filepath.Join(ts.Getenv("HOME"), ".config/containers/certs.d", address)
		ts.Check(os.MkdirAll(trusted, 0o755))
		ts.Check(os.Link(filepath.Join(dir, "ca.crt"), filepath.Join(trusted, "ca.crt")))
	}
	ts.Setenv("REGISTRY", address)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func registryConfig(dir, address string, auth bool) (file string, err error) {
	text := fmt.Sprintf(`version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: %s/data}
  delete: {enabled: true}
http:
  addr: %s
  tls: {certificate: %s/server.crt, key: %s/server.key}
`, dir, address, dir, dir)
	if auth {
		out, err := exec.Command("htpasswd", "-Bbn", "user", "secret").Output()
		if err != nil {
			return "", fmt.Errorf("cannot make a password file: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "htpasswd"), out, 0o600); err != nil {
			return "", err
		}
		text += fmt.Sprintf("auth:\n  htpasswd: {realm: test, path: %s/htpasswd}\n", dir)
	}
	file = filepath.Join(dir, "config.yml")
	return file, os.WriteFile(file, []byte(text), 0o644)
}

// makeCertificate writes ca.crt, server.crt and server.key for 127.0.0.1.
func makeCertificate(dir string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test registry"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool, errors.Join(
		os.WriteFile(filepath.Join(dir, "ca.crt"), certPEM, 0o644),
		os.WriteFile(filepath.Join(dir, "server.crt"), certPEM, 0o644),
		os.WriteFile(filepath.Join(dir, "server.key"), keyPEM, 0o600),
	)
}

// answers waits until the registry does.
func answers(address string, roots *x509.CertPool) error {
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
		Timeout:   time.Second,
	}
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var resp *http.Response
		if resp, err = client.Get("https://" + address + "/v2/"); err == nil {
			return resp.Body.Close()
		}
	}
	return fmt.Errorf("the registry does not answer: %w", err)
}
