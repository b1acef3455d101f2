package unitfile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sample = "\ufeff# a comment before everything\n" +
	"[Unit]\n" +
	"Description = the  shop's front \t\n" +
	"; another comment\n" +
	"After=a.service\n" +
	"\n" +
	"[Container]\r\n" +
	"Environment=ONE=1 \\\n" +
	"# within a continued line\n" +
	"  \"TWO=2 3\" \\\n" +
	"  THREE=\n" +
	"Exec=sh -c \"a=b\"\n" +
	"Label=gone=1\n" +
	"Label=\n" +
	"Label=kept=1\n" +
	"[Unit]\n" +
	"After=b.service"

func parse(t *testing.T, body string) *File {
	t.Helper()
	f, err := Parse("/units/shop.container", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParse(t *testing.T) {
	f := parse(t, sample)
	last := func(section, key string) Entry {
		e, ok := f.Last(section, key)
		if !ok {
			t.Errorf("%s of [%s] was not found", key, section)
		}
		return e
	}
	if e := last("Unit", "Description"); e.Value != "the  shop's front" || e.Line != 3 {
		t.Errorf("Description is %+v", e)
	}
	if e := last("Container", "Environment"); e.Line != 8 || strings.Join(strings.Fields(e.Value), " ") != `ONE=1 "TWO=2 3" THREE=` {
		t.Errorf("a continued line is %+v", e)
	}
	if e := last("Container", "Exec"); e.Value != `sh -c "a=b"` {
		t.Errorf("Exec is %q", e.Value)
	}
	if all := f.All("Container", "Label"); len(all) != 1 || all[0].Value != "kept=1" || all[0].Line != 15 {
		t.Errorf("an empty value did not forget: %+v", all)
	}
	if all := f.All("Unit", "After"); len(all) != 2 || all[1].Line != 17 || all[1].Path != "/units/shop.container" {
		t.Errorf("a section opened twice holds %+v", all)
	}
	if f.Has("Unit", "Wants") || !f.Has("Unit", "After") || len(f.Entries("None")) != 0 {
		t.Error("Has and Entries find what is not there, or not what is")
	}
}

func TestMistakesHaveTheirLines(t *testing.T) {
	_, err := Parse("x.volume", []byte("Early=1\n[Volume]\nno equals sign\n[Broken\nLost=1\n[Volume]\n=value\nBad=\xff\nFine=1 \\\n"))
	var got []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		got = append(got, e.Error())
	}
	want := []string{
		`x.volume:1: Early= stands in no section`,
		`x.volume:3: "no equals sign" is neither [SECTION] nor KEY=VALUE`,
		`x.volume:4: "[Broken" is no section: [NAME] is wanted`,
		`x.volume:5: Lost= stands in no section`,
		`x.volume:7: there is no key before the = of "=value"`,
		`x.volume:8: the line is not text in UTF-8`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var where *Error
	if !errors.As(err, &where) || where.Line != 1 {
		t.Errorf("the first error is %+v", where)
	}
}

func TestReadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.pod")
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, []byte("[Pod]\nPodName=shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Read(path)
	if err != nil || !f.Has("Pod", "PodName") {
		t.Errorf("got %v, %v", f, err)
	}
}

func TestChanges(t *testing.T) {
	f := parse(t, "[Unit]\nAfter=own.service\n[Container]\nImage=a\n[Service]\nType=oneshot\nType=notify\n")
	c := f.Clone()
	c.Merge(parse(t, "[Container]\nImage=b\n[Install]\nWantedBy=default.target\n"))
	c.Prepend("Unit", "After", "network-online.target")
	c.Add("Unit", "SourcePath", "/units/shop.container")
	c.Set("Service", "Type", "exec")
	c.Default("Service", "Type", "notify")
	c.Default("Service", "KillMode", "mixed")
	c.Rename("Container", "X-Container")
	c.Rename("None", "X-None")
	want := `[Unit]
After=network-online.target
After=own.service
SourcePath=/units/shop.container

[Service]
Type=exec
KillMode=mixed

[Install]
WantedBy=default.target

[X-Container]
Image=a
Image=b
`
	if got := c.String(); got != want {
		t.Errorf("got\n%s", got)
	}
	if len(f.Entries("Container")) != 1 || len(f.Entries("Install")) != 0 {
		t.Errorf("the copy changed what it was made of: %s", f)
	}
	e, _ := c.Last("X-Container", "Image")
	if err := e.Fail("cannot be %d", 3); err.Error() != "/units/shop.container:2: cannot be 3" {
		t.Errorf("got %v", err)
	}
}

func TestBackslashAtTheEnd(t *testing.T) {
	f := parse(t, "[Container]\nOne=a\\\\\nTwo=b\\ \nThree=c\\\\\\\n d\n")
	for key, want := range map[string]string{"One": `a\\`, "Two": `b\`, "Three": `c\\  d`} {
		if e, _ := f.Last("Container", key); e.Value != want {
			t.Errorf("%s is %q, not %q", key, e.Value, want)
		}
	}
	if again := parse(t, f.String()); again.String() != f.String() {
		t.Errorf("written and read again it is %q", again)
	}
}

func TestText(t *testing.T) {
	for value, want := range map[string]string{
		`plain`: "plain", `"two words"`: "two words", `""`: "", `"`: `"`,
		`"a" b "c"`: `"a" b "c"`, `"a\"b"`: `"a\"b"`, `["CMD", "x"]`: `["CMD", "x"]`,
	} {
		if got := Text(value); got != want {
			t.Errorf("Text(%s) is %q, not %q", value, got, want)
		}
	}
}

func TestBool(t *testing.T) {
	for _, word := range []string{"1", "yes", "Y", "TRUE", "t", "on", `"true"`} {
		if on, err := Bool(word); !on || err != nil {
			t.Errorf("%s is %v, %v", word, on, err)
		}
	}
	for _, word := range []string{"0", "no", "n", "False", "f", "OFF"} {
		if on, err := Bool(word); on || err != nil {
			t.Errorf("%s is %v, %v", word, on, err)
		}
	}
	for _, word := range []string{"", "2", "healthy"} {
		if _, err := Bool(word); err == nil {
			t.Errorf("%q was taken for a boolean", word)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		value         string
		list, command []string
	}{
		{``, nil, nil},
		{"  a\tb  ", []string{"a", "b"}, []string{"a", "b"}},
		{`a="x y" 'it''s'`, []string{"a=x y", "its"}, []string{"a=x y", "its"}},
		{`"" b`, []string{"", "b"}, []string{"", "b"}},
		{`a\x20b \t "c\"d"`, []string{`a\x20b`, `\t`, `c\"d`}, []string{"a b", "\t", `c"d`}},
		{`\d \s \u00e9 \101 '\''`, []string{`\d`, `\s`, `\u00e9`, `\101`, `\'`}, []string{`\d`, " ", "é", "A", "'"}},
		{`'"' "'"`, []string{`"`, `'`}, []string{`"`, `'`}},
	} {
		if got, err := Split(c.value); err != nil || !slices.Equal(got, c.list) {
			t.Errorf("Split(%s) is %q, %v", c.value, got, err)
		}
		if got, err := SplitCommand(c.value); err != nil || !slices.Equal(got, c.command) {
			t.Errorf("SplitCommand(%s) is %q, %v", c.value, got, err)
		}
	}
	for _, bad := range []string{`"open`, `a 'b`, `end\`} {
		if got, err := Split(bad); err == nil {
			t.Errorf("Split(%s) is %q", bad, got)
		}
	}
	for _, bad := range []string{`"open`, `end\`, `\x4`, `\xzz`, `\x00`, `\U00110000`, `\ud800`, `\09`, `\000`} {
		if got, err := SplitCommand(bad); err == nil {
			t.Errorf("SplitCommand(%s) is %q", bad, got)
		}
	}
}

func TestJoin(t *testing.T) {
	words := []string{"plain", "", "two words", `qu"ote`, "it's", `back\slash`, "new\nline\tand \x01", ";", "a;b", "%N", "é", "\xff"}
	want := `plain "" "two words" "qu\"ote" "it's" "back\\slash" "new\nline\tand \x01" ";" a;b %N é "\xff"`
	if got := Join(words); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := SplitCommand(Join(words))
	if err != nil || !slices.Equal(back, words) {
		t.Errorf("they came back as %q, %v", back, err)
	}
	if got := Escape("/srv/100%/x"); got != "/srv/100%%/x" {
		t.Errorf("Escape gave %s", got)
	}
}

// FuzzParse: whatever is read is read the same again once it is written, and
// no line is lost that no error tells of.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("[A]\nb=c\\\n\\\n#x\n\n[A]\n"))
	f.Add([]byte("[A]\nb= \\\n[C]\n=\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := Parse("x", body)
		if err != nil {
			return
		}
		second, err := Parse("x", []byte(first.String()))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%q", err, first.String())
		}
		if first.String() != second.String() {
			t.Errorf("%q became %q", first.String(), second.String())
		}
	})
}

// FuzzWords: words survive being joined and taken apart.
func FuzzWords(f *testing.F) {
	f.Add(`a "b c" 'd\'e' \x41`)
	f.Add(`;`)
	f.Fuzz(func(t *testing.T, value string) {
		words, err := SplitCommand(value)
		if err != nil || strings.ContainsRune(value, 0) {
			return // Parse lets no zero byte through
		}
		back, err := SplitCommand(Join(words))
		if err != nil || !slices.Equal(back, words) {
			t.Errorf("%q became %q, %v", words, back, err)
		}
	})
}
