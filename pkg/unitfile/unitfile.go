// Package unitfile reads and writes unit files of systemd.
//
// The syntax is that of systemd.syntax(7): sections in brackets, KEY=VALUE
// lines, comments, lines that a backslash continues. A key may come more than
// once; an empty value forgets the ones before it. What is wrong with a file is
// an error here, with the line, where systemd would pass over it with a
// warning: what the user wrote must not get lost.
package unitfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"
)

// File is a unit file, with the lines of its drop-ins merged in.
type File struct {
	Path     string
	Sections []Section
}

// Section is a part of a file. A name comes once in a File: lines of a section
// that is opened again are added to it.
type Section struct {
	Name    string
	Entries []Entry
}

// Entry is a line KEY=VALUE, continued lines joined by spaces.
type Entry struct {
	Key, Value string
	Path       string // of the file it stands in; "": it was added here
	Line       int    // the first line of it, from 1
}

// Error is a mistake in a file, with the place.
type Error struct {
	Path string
	Line int // from 1; 0: the file as a whole
	What string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Path, e.What)
	}
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.What)
}

// Fail is an error about the line of e.
func (e Entry) Fail(format string, args ...any) error {
	return &Error{Path: e.Path, Line: e.Line, What: fmt.Sprintf(format, args...)}
}

// Read reads a file. The errors of all its lines are joined.
func Read(path string) (*File, error) {
	body, err := ReadText(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read unit: %w", err)
	}
	return Parse(path, body)
}

// maxText bounds what is read of a file, in bytes.
const maxText = 16 << 20

// ReadText is what stands in a file of at most 16 MiB. A pipe or a device,
// which might never end, is an error; /dev/null, which masks, is empty.
func ReadText(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0) // or a pipe waits for a writer
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && !isNull(info) {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	body, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(body) > maxText {
		err = fmt.Errorf("%s has more than %d bytes", path, maxText)
	}
	return body, err
}

// isNull tells /dev/null from other files, by its number.
func isNull(info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false
	}
	a, ok := info.Sys().(*syscall.Stat_t)
	b, isStat := null.Sys().(*syscall.Stat_t)
	return ok && isStat && info.Mode().Type() == null.Mode().Type() && a.Rdev == b.Rdev
}

// Parse reads the text of the file at path.
func Parse(path string, body []byte) (*File, error) {
	p := &parser{file: &File{Path: path}, section: -1}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	number := 0
	for line := range bytes.Lines(body) {
		number++
		p.line(number, strings.TrimRight(string(line), "\r\n"))
	}
	p.finish()
	return p.file, errors.Join(p.errs...)
}

// parser goes through the lines of a file.
type parser struct {
	file    *File
	section int // index of the section that is open; -1: none yet
	errs    []error

	pending strings.Builder // an entry that goes on in the next line
	begun   int             // its first line; 0: there is none
}

func (p *parser) line(number int, text string) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		p.fail(number, "the line is not text in UTF-8")
		return
	}
	trimmed := strings.TrimLeft(text, blanks)
	if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
		return // within a continued line as well
	}
	if p.begun == 0 {
		text = trimmed
		p.begun = number
	}
	if continued(text) {
		p.pending.WriteString(text[:len(text)-1] + " ")
		return
	}
	p.pending.WriteString(text)
	p.finish()
}

// continued: a backslash at the end, unless another one takes its meaning.
func continued(text string) bool {
	return (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1
}

// blanks are what systemd strips from the ends of lines.
const blanks = " \t\n\r"

// finish reads the line that has been put together.
func (p *parser) finish() {
	text, number := strings.Trim(p.pending.String(), blanks), p.begun
	p.pending.Reset()
	p.begun = 0
	switch {
	case text == "":
	case text[0] == '[':
		p.open(number, text)
	default:
		p.entry(number, text)
	}
}

func (p *parser) open(number int, text string) {
	name, ok := strings.CutSuffix(text[1:], "]")
	if !ok || name == "" || strings.ContainsAny(name, "[]") {
		p.fail(number, "%q is no section: [NAME] is wanted", text)
		p.section = -1
		return
	}
	p.section = p.file.place(name)
}

func (p *parser) entry(number int, text string) {
	key, value, ok := strings.Cut(text, "=")
	key = strings.TrimRight(key, blanks)
	switch {
	case !ok:
		p.fail(number, "%q is neither [SECTION] nor KEY=VALUE", text)
	case key == "":
		p.fail(number, "there is no key before the = of %q", text)
	case p.section < 0:
		p.fail(number, "%s= stands in no section", key)
	default:
		s := &p.file.Sections[p.section]
		s.Entries = append(s.Entries, Entry{Key: key, Value: strings.TrimLeft(value, blanks), Path: p.file.Path, Line: number})
	}
}

func (p *parser) fail(number int, format string, args ...any) {
	p.errs = append(p.errs, &Error{Path: p.file.Path, Line: number, What: fmt.Sprintf(format, args...)})
}

// place is the index of a section, which is made when it is not there.
func (f *File) place(name string) int {
	for i := range f.Sections {
		if f.Sections[i].Name == name {
			return i
		}
	}
	f.Sections = append(f.Sections, Section{Name: name})
	return len(f.Sections) - 1
}

// Merge adds the lines of a drop-in after those of f.
func (f *File) Merge(dropIn *File) {
	for _, s := range dropIn.Sections {
		i := f.place(s.Name)
		f.Sections[i].Entries = append(f.Sections[i].Entries, s.Entries...)
	}
}

// Clone is a copy that can be changed on its own.
func (f *File) Clone() *File {
	c := &File{Path: f.Path}
	c.Merge(f)
	return c
}

// Rename gives a section another name. Its lines go to the section that has
// the name already, if there is one.
func (f *File) Rename(from, to string) {
	for i, s := range f.Sections {
		if s.Name != from {
			continue
		}
		f.Sections = append(f.Sections[:i:i], f.Sections[i+1:]...)
		k := f.place(to)
		f.Sections[k].Entries = append(f.Sections[k].Entries, s.Entries...)
		return
	}
}

// Entries are the lines of a section, in order, empty values included.
func (f *File) Entries(section string) []Entry {
	for _, s := range f.Sections {
		if s.Name == section {
			return s.Entries
		}
	}
	return nil
}

// All are the lines of a key since its last empty value.
func (f *File) All(section, key string) []Entry {
	var all []Entry
	for _, e := range f.Entries(section) {
		if e.Key != key {
			continue
		}
		if e.Value == "" {
			all = nil
			continue
		}
		all = append(all, e)
	}
	return all
}

// Last is the line of a key that counts when only one can. It may be empty; ok
// tells whether the key is there at all.
func (f *File) Last(section, key string) (last Entry, ok bool) {
	for _, e := range f.Entries(section) {
		if e.Key == key {
			last, ok = e, true
		}
	}
	return last, ok
}

// Has tells whether a key has a value.
func (f *File) Has(section, key string) bool {
	last, _ := f.Last(section, key)
	return last.Value != ""
}

// Add puts a line at the end of a section.
func (f *File) Add(section, key, value string) {
	i := f.place(section)
	f.Sections[i].Entries = append(f.Sections[i].Entries, Entry{Key: key, Value: value})
}

// Prepend puts a line at the start of a section, before an empty value of the
// file's can forget it: the user must be able to.
func (f *File) Prepend(section, key, value string) {
	i := f.place(section)
	f.Sections[i].Entries = append([]Entry{{Key: key, Value: value}}, f.Sections[i].Entries...)
}

// Set puts a line at the end of a section, and takes the key's others out.
func (f *File) Set(section, key, value string) {
	i := f.place(section)
	var kept []Entry
	for _, e := range f.Sections[i].Entries {
		if e.Key != key {
			kept = append(kept, e)
		}
	}
	f.Sections[i].Entries = append(kept, Entry{Key: key, Value: value})
}

// Default sets a key that has no value.
func (f *File) Default(section, key, value string) {
	if !f.Has(section, key) {
		f.Set(section, key, value)
	}
}

// WriteTo writes the file, without the comments of what was read.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for i, s := range f.Sections {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("[" + s.Name + "]\n")
		for _, e := range s.Entries {
			b.WriteString(e.Key + "=" + e.Value)
			if continued(e.Value) {
				b.WriteByte(' ') // or the next line would go on with it
			}
			b.WriteByte('\n')
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func (f *File) String() string {
	var b strings.Builder
	_, _ = f.WriteTo(&b) // a Builder takes everything
	return b.String()
}
