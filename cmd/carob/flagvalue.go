package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// flagValue is a flag whose words are understood the moment they are given:
// what travels inwards is what they mean.
type flagValue struct {
	set  func(string) error
	kind string // shown in the help
	text string // default shown in the help
}

func (v *flagValue) Set(s string) error { return v.set(s) }
func (v *flagValue) Type() string       { return v.kind }
func (v *flagValue) String() string     { return v.text }

// one is a flag of which the last value counts.
func one[T any](dst *T, kind string, parse func(string) (T, error)) pflag.Value {
	return &flagValue{kind: kind, set: func(s string) (err error) {
		*dst, err = parse(s)
		return err
	}}
}

// maybe is one that tells "not given" from every value.
func maybe[T any](dst **T, kind string, parse func(string) (T, error)) pflag.Value {
	return &flagValue{kind: kind, set: func(s string) error {
		v, err := parse(s)
		*dst = &v
		return err
	}}
}

// each is a flag that may be given more than once.
func each[T any](dst *[]T, kind string, parse func(string) (T, error)) pflag.Value {
	return &flagValue{kind: kind, set: func(s string) error {
		v, err := parse(s)
		if err == nil {
			*dst = append(*dst, v)
		}
		return err
	}}
}

// commaEach may be given more than once and takes several values separated by
// commas.
func commaEach[T any](dst *[]T, kind string, parse func(string) ([]T, error)) pflag.Value {
	return &flagValue{kind: kind, set: func(s string) error {
		return commaWords(s, func(word string) error {
			v, err := parse(word)
			*dst = append(*dst, v...)
			return err
		})
	}}
}

// pairs collects NAME=VALUE words; comma says whether a comma separates two.
func pairs(dst *map[string]string, comma bool) pflag.Value {
	add := func(word string) error {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return fmt.Errorf("%s is invalid, it must be in the form of KEY=VALUE", word)
		}
		if *dst == nil {
			*dst = map[string]string{}
		}
		(*dst)[name] = value
		return nil
	}
	return &flagValue{kind: "key=value", set: func(s string) error {
		if comma {
			return commaWords(s, add)
		}
		return add(s)
	}}
}

// commaWords splits like a line of CSV, so that quotes protect a comma.
func commaWords(s string, add func(string) error) error {
	if s == "" {
		return nil
	}
	words, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return errors.New("quotes that do not match")
	}
	for _, w := range words {
		if err := add(w); err != nil {
			return err
		}
	}
	return nil
}

// addNot adds a boolean that is true unless dst is.
func addNot(f *pflag.FlagSet, dst *bool, name, usage string) {
	f.VarPF(&flagValue{kind: "bool", text: "true", set: func(s string) error {
		on, err := strconv.ParseBool(s)
		*dst = !on
		return err
	}}, name, "", usage).NoOptDefVal = "true"
}

// addRefused adds flags that are known but cannot be honoured.
func addRefused(f *pflag.FlagSet, usage, why string, names ...string) {
	for _, name := range names {
		f.Var(&flagValue{kind: "string", set: func(string) error { return errors.New(why) }}, name, usage)
	}
}

func parseInt64(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, numError(s, err)
}

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	return n, numError(s, err)
}

func parseUint(s string) (uint, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return uint(n), numError(s, err)
}

func parseSeconds(s string) (uint, error) {
	n, err := strconv.ParseUint(s, 10, 31) // the monitor is told in an int32
	return uint(n), numError(s, err)
}

func parseWeight(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), numError(s, err)
}

func numError(s string, err error) error {
	if err != nil {
		return fmt.Errorf("%q is not a number that fits", s)
	}
	return nil
}
