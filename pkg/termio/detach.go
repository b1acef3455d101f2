package termio

import (
	"bytes"
	"fmt"
	"strings"
)

// DefaultDetachKeys is the sequence when nobody has set another one.
const DefaultDetachKeys = "ctrl-p,ctrl-q"

// ParseDetachKeys reads a sequence like "ctrl-p,ctrl-q" or "a,b,ctrl-\": a
// single character or ctrl- with one of a-z @ ^ [ ] \ _ at each place. ""
// gives no keys: detaching is off.
func ParseDetachKeys(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	var keys []byte
	for word := range strings.SplitSeq(s, ",") {
		key, err := parseKey(word)
		if err != nil {
			return nil, fmt.Errorf("cannot read detach keys %q: %w", s, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func parseKey(word string) (byte, error) {
	name, ctrl := strings.CutPrefix(word, "ctrl-")
	if len(name) != 1 {
		return 0, fmt.Errorf("%q is neither a single character nor ctrl-<key>", word)
	}
	c := name[0]
	if !ctrl {
		return c, nil
	}
	switch {
	case c >= 'a' && c <= 'z':
		return c - 'a' + 1, nil
	case c == '@' || c >= '[' && c <= '_':
		return c - '@', nil
	}
	return 0, fmt.Errorf("ctrl- takes one of a-z @ [ \\ ] ^ _, not %q", name)
}

// Detacher looks for the detach keys in what is typed, however the bytes are
// cut into reads. The keys themselves are not handed on; a sequence that was
// begun but not finished is, as soon as that is certain.
type Detacher struct {
	keys    []byte
	matched int
}

// NewDetacher returns a Detacher for keys; with none it never detaches.
func NewDetacher(keys []byte) *Detacher { return &Detacher{keys: keys} }

// Feed takes the next bytes typed and appends to out those to hand on. When
// detached is true the rest of in is dropped.
func (d *Detacher) Feed(out, in []byte) (handOn []byte, detached bool) {
	if len(d.keys) == 0 {
		return append(out, in...), false
	}
	for _, c := range in {
		for d.matched > 0 && c != d.keys[d.matched] {
			out = d.giveUp(out)
		}
		if c != d.keys[d.matched] {
			out = append(out, c)
			continue
		}
		if d.matched++; d.matched == len(d.keys) {
			d.matched = 0
			return out, true
		}
	}
	return out, false
}

// giveUp hands on as many held keys as it takes for the rest to be the
// beginning of the sequence again.
func (d *Detacher) giveUp(out []byte) []byte {
	held := d.keys[:d.matched]
	for n := 1; ; n++ {
		if bytes.HasPrefix(d.keys, held[n:]) {
			d.matched -= n
			return append(out, held[:n]...)
		}
	}
}

// Rest appends to out the keys that were held back, for the end of input.
func (d *Detacher) Rest(out []byte) []byte {
	out = append(out, d.keys[:d.matched]...)
	d.matched = 0
	return out
}
