package unitfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text is a value that is one word whatever is in it. A pair of quotes that
// holds all of it is taken off.
func Text(value string) string {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	inner := value[1 : len(value)-1]
	if strings.ContainsAny(inner, `"\`) {
		return value
	}
	return inner
}

// Bool reads a boolean as systemd does (systemd.syntax(7)).
func Bool(value string) (bool, error) {
	switch strings.ToLower(Text(value)) {
	case "1", "yes", "y", "true", "t", "on":
		return true, nil
	case "0", "no", "n", "false", "f", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither yes nor no", value)
}

// Split takes a value apart at blanks, quotes taken off, as systemd does for
// lists of words. A backslash stays as it is.
func Split(value string) ([]string, error) { return split(value, false) }

// SplitCommand takes a value apart as systemd does a command line
// (systemd.service(5)): with quotes, and with the escapes of C in and outside
// of them.
func SplitCommand(value string) ([]string, error) { return split(value, true) }

func split(value string, escapes bool) ([]string, error) {
	var words []string
	s := splitter{rest: value, escapes: escapes}
	for {
		s.rest = strings.TrimLeft(s.rest, blanks)
		if s.rest == "" {
			return words, nil
		}
		word, err := s.word()
		if err != nil {
			return words, err
		}
		words = append(words, word)
	}
}

// splitter cuts words off the front of rest.
type splitter struct {
	rest    string
	escapes bool
}

// word cuts one off. Quotes may open and close anywhere in it.
func (s *splitter) word() (string, error) {
	var word strings.Builder
	quote := byte(0)
	for s.rest != "" {
		c := s.rest[0]
		switch {
		case c == '\\' && len(s.rest) == 1:
			return "", errors.New("there is nothing after the backslash at the end")
		case c == '\\' && s.escapes:
			text, length, err := unescape(s.rest)
			if err != nil {
				return "", err
			}
			word.WriteString(text)
			s.rest = s.rest[length:]
			continue
		case c == '\\': // kept, and what follows is no quote
			word.WriteString(s.rest[:2])
			s.rest = s.rest[2:]
			continue
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && strings.IndexByte(blanks, c) >= 0:
			return word.String(), nil
		default:
			word.WriteByte(c)
		}
		s.rest = s.rest[1:]
	}
	if quote != 0 {
		return "", fmt.Errorf("the quote %c is not closed", quote)
	}
	return word.String(), nil
}

// simpleEscapes are those of one letter. Others stay as they are written, as
// systemd leaves them in command lines.
var simpleEscapes = map[byte]string{
	'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v", 's': " ",
	'\\': `\`, '"': `"`, '\'': `'`,
}

// numericEscapes are digits and base after the backslash and the letter.
var numericEscapes = map[byte]struct{ digits, base, skip int }{
	'x': {2, 16, 2}, 'u': {4, 16, 2}, 'U': {8, 16, 2},
	'0': {3, 8, 1}, '1': {3, 8, 1}, '2': {3, 8, 1}, '3': {3, 8, 1},
}

// unescape reads the escape at the start of text and tells its length.
func unescape(text string) (string, int, error) {
	if plain, ok := simpleEscapes[text[1]]; ok {
		return plain, 2, nil
	}
	form, ok := numericEscapes[text[1]]
	if !ok {
		return text[:2], 2, nil
	}
	end := form.skip + form.digits
	if len(text) < end {
		return "", 0, fmt.Errorf("the escape %s is cut off", text)
	}
	code, err := strconv.ParseUint(text[form.skip:end], form.base, 32)
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("the escape %s is no number", text[:end])
	case code == 0:
		return "", 0, fmt.Errorf("the escape %s is a zero byte", text[:end])
	case text[1] != 'u' && text[1] != 'U':
		return string([]byte{byte(code)}), end, nil
	case !utf8.ValidRune(rune(code)):
		return "", 0, fmt.Errorf("the escape %s is no character", text[:end])
	}
	return string(rune(code)), end, nil
}

// Join makes a command line of words, for Exec lines and for lists: what
// SplitCommand takes apart again. Specifiers (%) and variables ($) in the
// words are systemd's to expand; Escape is for text that means them literally.
func Join(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

func quote(word string) string {
	if word == ";" {
		return `";"` // it would end the command
	}
	if word != "" && !strings.ContainsFunc(word, special) && utf8.ValidString(word) {
		return word
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f || c > 0x7f && !utf8.ValidString(word):
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func special(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`"'\`, r)
}

// Escape makes text literal where systemd expands specifiers, as in the name
// of a directory.
func Escape(text string) string { return strings.ReplaceAll(text, "%", "%%") }
