package image

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Reference is an image name in its parts, as
// https://github.com/distribution/reference defines them:
// [DOMAIN/]PATH[:TAG][@DIGEST].
type Reference struct {
	Domain string // registry host with port; "" for a short name
	Path   string
	Tag    string
	Digest digest.Digest
}

// InvalidReferenceError is a name that cannot be an image's.
type InvalidReferenceError struct{ Name, Why string }

func (e *InvalidReferenceError) Error() string {
	return fmt.Sprintf("cannot parse image name %q: %s", e.Name, e.Why)
}

const (
	dockerHub     = "docker.io"
	maxRepository = 255
	maxTag        = 128
)

// ParseReference takes a name apart. Names of Docker Hub are completed
// (docker.io/busybox is docker.io/library/busybox); short names stay short.
func ParseReference(name string) (Reference, error) {
	bad := func(why string) (Reference, error) {
		return Reference{}, &InvalidReferenceError{name, why}
	}
	rest, dgst, hasDigest := strings.Cut(name, "@")
	var r Reference
	if hasDigest {
		r.Digest = digest.Digest(dgst)
		if err := r.Digest.Validate(); err != nil {
			return bad(err.Error())
		}
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		rest, r.Tag = rest[:i], rest[i+1:]
		if !validTag(r.Tag) {
			return bad("the tag must be 1 to 128 letters, digits, '_', '.' or '-', and not start with '.' or '-'")
		}
	}
	r.Path = rest
	if first, after, ok := strings.Cut(rest, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		r.Domain, r.Path = first, after
		if !validDomain(r.Domain) {
			return bad("the registry is not a host name with an optional port")
		}
	}
	if why := invalidPath(r.Path); why != "" {
		return bad(why)
	}
	if r.Domain == "index."+dockerHub {
		r.Domain = dockerHub
	}
	if r.Domain == dockerHub && !strings.Contains(r.Path, "/") {
		r.Path = "library/" + r.Path
	}
	if len(r.Name()) > maxRepository {
		return bad("the repository is longer than 255 characters")
	}
	return r, nil
}

// SplitTransport takes a name of the form TRANSPORT:DETAILS
// (containers-transports(5)) apart; transport is "" for others. What is behind
// docker:// is an ordinary name.
func SplitTransport(name string) (transport, details string) {
	if rest, ok := strings.CutPrefix(name, "docker://"); ok {
		return "docker", rest
	}
	transport, details, _ = strings.Cut(name, ":")
	switch transport {
	case "containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive":
		return transport, details
	}
	return "", name
}

// IsShort tells whether the registry is missing.
func (r Reference) IsShort() bool { return r.Domain == "" }

// Name is the repository: without tag and digest.
func (r Reference) Name() string {
	if r.Domain == "" {
		return r.Path
	}
	return r.Domain + "/" + r.Path
}

func (r Reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}

// Tagged gives the tag latest to a name without tag and digest.
func (r Reference) Tagged() Reference {
	if r.Tag == "" && r.Digest == "" {
		r.Tag = "latest"
	}
	return r
}

// On puts a short name under a registry (or a registry with a path prefix).
func (r Reference) On(registry string) Reference {
	domain, prefix, nested := strings.Cut(registry, "/")
	r.Domain = domain
	if nested {
		r.Path = prefix + "/" + r.Path
	}
	if r.Domain == dockerHub && !strings.Contains(r.Path, "/") {
		r.Path = "library/" + r.Path
	}
	return r
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func isWord(c byte) bool { return isLower(c) || c >= 'A' && c <= 'Z' || c == '_' }

func validTag(t string) bool {
	if t == "" || len(t) > maxTag || !isWord(t[0]) {
		return false
	}
	for i := range len(t) {
		if !isWord(t[i]) && t[i] != '.' && t[i] != '-' {
			return false
		}
	}
	return true
}

// invalidPath says what is wrong with a repository path: components of lower
// case letters and digits, separated inside by one '.', one or two '_', or
// any number of '-'.
func invalidPath(path string) string {
	if path == "" {
		return "it is empty"
	}
	if strings.ToLower(path) != path {
		return "the repository must be lower case"
	}
	for _, part := range strings.Split(path, "/") {
		if !validComponent(part) {
			return fmt.Sprintf("%q is not a part of a repository name", part)
		}
	}
	return ""
}

func validComponent(part string) bool {
	if part == "" || !isLower(part[0]) || !isLower(part[len(part)-1]) {
		return false
	}
	for i := 0; i < len(part); {
		if isLower(part[i]) {
			i++
			continue
		}
		start := i
		for i < len(part) && part[i] == part[start] {
			i++
		}
		// The last byte is a letter, so part[i] exists.
		if !isLower(part[i]) || !validSeparator(part[start:i]) {
			return false
		}
	}
	return true
}

func validSeparator(s string) bool {
	return s == "." || s == "_" || s == "__" || strings.Trim(s, "-") == ""
}

func validDomain(domain string) bool {
	host, port, hasPort := domain, "", false
	if strings.HasPrefix(domain, "[") {
		end := strings.IndexByte(domain, ']')
		if end < 2 || strings.Trim(domain[1:end], "0123456789abcdefABCDEF:") != "" {
			return false
		}
		if rest := domain[end+1:]; rest != "" {
			port, hasPort = strings.CutPrefix(rest, ":")
			if !hasPort {
				return false
			}
		}
		return !hasPort || isDigits(port)
	}
	host, port, hasPort = strings.Cut(domain, ":")
	if hasPort && !isDigits(port) {
		return false
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if label[i] == '_' || !isWord(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
