package transfer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	"github.com/containers/image/v5/docker"
	"github.com/containers/image/v5/docker/reference"
	"github.com/docker/distribution/registry/api/errcode"
)

// hinted is an error with its cure.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }
func (e *hinted) Hint() string  { return e.hint }

// line is an error whose text is one line; libraries like to write lists.
type line struct{ err error }

func (e line) Error() string {
	words := strings.Fields(e.err.Error())
	return strings.Join(words, " ")
}
func (e line) Unwrap() error { return e.err }

// explain puts the cause of a failed transfer first and a cure next to it.
func explain(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("cannot %s %s: %w", verb, name, &withText{err, "interrupted"})
	}
	hint, why := cause(err, registryOf(name))
	wrapped := fmt.Errorf("cannot %s %s: %w", verb, name, line{why})
	if hint == "" {
		return wrapped
	}
	return &hinted{wrapped, hint}
}

// registryOf is the host in an image's name, or the name where it is a host.
func registryOf(name string) string {
	if !strings.Contains(name, "/") && strings.ContainsAny(name, ".:") {
		return name
	}
	named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(name, "docker://"))
	if err != nil {
		return "REGISTRY"
	}
	return reference.Domain(named)
}

// withText keeps err for errors.Is and shows other words for it.
type withText struct {
	err  error
	text string
}

func (e *withText) Error() string { return e.text }
func (e *withText) Unwrap() error { return e.err }

// cause is what a user has to know of err, and the cure where one is known.
func cause(err error, host string) (hint string, why error) {
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unauthorized docker.ErrUnauthorizedForCredentials
	switch {
	case errors.As(err, &dns):
		return "", &withText{err, fmt.Sprintf("cannot find host %s: %s", dns.Name, dns.Err)}
	case errors.As(err, &unknownCA):
		return fmt.Sprintf("put the authority's certificate into ~/.config/containers/certs.d/%s/ca.crt, or trust the host with --tls-verify=false", host),
			&withText{err, fmt.Sprintf("the certificate of %s is not signed by a known authority", host)}
	case errors.As(err, &wrongHost), errors.As(err, &invalid):
		return "with --tls-verify=false the certificate is not checked", err
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "use --tls-verify=false if the network is trusted", &withText{err, host + " does not speak TLS"}
	case errors.As(err, &unauthorized):
		return "log in again: carob login " + host, &withText{err, fmt.Sprintf("%s refused the credentials: %v", host, unauthorized.Err)}
	case isDenied(err):
		return "the image does not exist or needs credentials: carob login " + host, err
	case errors.Is(err, docker.ErrTooManyRequests):
		return "the registry limits pulls; log in or try later", err
	}
	if m := unmapped().FindStringSubmatch(err.Error()); m != nil {
		return "give the account more ids in /etc/subuid and /etc/subgid, then run 'carob system migrate'; " +
				"or have all files belong to the account: ignore_chown_errors = \"true\" below [storage.options.overlay] in storage.conf",
			&withText{err, fmt.Sprintf("%s belongs to user %s and group %s, and not both of these ids are mapped", m[3], m[1], m[2])}
	}
	if text := err.Error(); strings.Contains(text, "unpacking failed") && strings.Contains(text, io.ErrUnexpectedEOF.Error()) {
		return "", &withText{err, "it is no tar archive, or a truncated one"}
	}
	return "", err
}

// unmapped finds in the words of containers/storage, which unpacks in another
// process, a file whose owner does not exist in the user namespace.
func unmapped() *regexp.Regexp {
	return regexp.MustCompile(`insufficient UIDs or GIDs available in user namespace \(requested (\d+):(\d+) for ([^)]*)\)`)
}

func isDenied(err error) bool {
	for _, code := range codes(err) {
		if code == errcode.ErrorCodeUnauthorized || code == errcode.ErrorCodeDenied {
			return true
		}
	}
	return false
}

// codes are the registry's own error codes in err.
func codes(err error) []errcode.ErrorCode {
	var many errcode.Errors
	if errors.As(err, &many) {
		var out []errcode.ErrorCode
		for _, e := range many {
			out = append(out, codes(e)...)
		}
		return out
	}
	var one errcode.ErrorCoder
	if errors.As(err, &one) {
		return []errcode.ErrorCode{one.ErrorCode()}
	}
	return nil
}

// passing tells whether trying again may help.
func passing(err error) bool {
	var timeout net.Error
	var dns *net.DNSError
	var status docker.UnexpectedHTTPStatusError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary
	case errors.As(err, &status):
		return status.StatusCode >= http.StatusInternalServerError
	case errors.Is(err, docker.ErrTooManyRequests), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	case errors.As(err, &timeout):
		return timeout.Timeout()
	}
	for _, code := range codes(err) {
		if code.Descriptor().HTTPStatusCode >= http.StatusInternalServerError {
			return true
		}
	}
	return false
}
