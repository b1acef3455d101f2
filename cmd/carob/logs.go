package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carob-containers/carob/libpod"
	"github.com/carob-containers/carob/pkg/report"
)

type logsOptions struct {
	selection
	libpod.LogOptions
	color, names, timestamps bool
}

func newLogs(a *app) *cobra.Command {
	o := &logsOptions{}
	cmd := &cobra.Command{
		Use:   "logs [options] CONTAINER [CONTAINER...]",
		Short: "Print what containers have written",
		Example: `carob logs -f --tail 20 web
carob logs --since 10m --timestamps web db`,
		Args: o.args,
		RunE: func(cmd *cobra.Command, args []string) error { return runLogs(cmd.Context(), a, o, args) },

		ValidArgsFunction: a.completeContainers,
	}
	f := cmd.Flags()
	f.SetInterspersed(true)
	o.addFlags(f, "latest")
	o.addOwnFlags(f)
	return cmd
}

func (o *logsOptions) addOwnFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.color, "color", false, "a colour for each container")
	f.BoolVarP(&o.Follow, "follow", "f", false, "go on until the container ends")
	f.BoolVarP(&o.names, "names", "n", false, "the container's name before every line")
	f.Var(one(&o.Since, "time", parseTime), "since", "only what was written after a time, or in the last DURATION")
	f.IntVar(&o.Tail, "tail", -1, "only so many lines at the end")
	f.BoolVarP(&o.timestamps, "timestamps", "t", false, "the time before every line")
	f.Var(one(&o.Until, "time", parseFuture), "until", "only what is written before a time, or until DURATION from now")
}

func parseTime(s string) (time.Time, error) { return libpod.ParseTime(s, time.Now()) }

func runLogs(ctx context.Context, a *app, o *logsOptions, args []string) error {
	rt, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := o.find(ctx, rt, args)
	if err != nil {
		return err
	}
	return a.printLogs(ctx, o, list)
}

func (a *app) printLogs(ctx context.Context, o *logsOptions, list []chosen) error {
	p := &logPrinter{o: o, out: a.out, err: a.err, many: len(list) > 1}
	err := p.printAll(ctx, list)
	switch {
	case errors.Is(err, syscall.EPIPE):
		return &exitError{code: 128 + int(syscall.SIGPIPE)}
	case errors.Is(err, context.Canceled):
		return signalError(ctx)
	}
	return err
}

// logPrinter writes the logs of one or more containers.
type logPrinter struct {
	o        *logsOptions
	out, err io.Writer
	many     bool
	mu       sync.Mutex // one line at a time
}

// printAll follows all at once; what is there already comes container by
// container.
func (p *logPrinter) printAll(ctx context.Context, list []chosen) error {
	if !p.o.Follow || len(list) == 1 {
		for i, c := range list {
			if err := p.print(ctx, i, c); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, c := range list {
		all.Go(func() { errs[i] = p.print(ctx, i, c) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (p *logPrinter) print(ctx context.Context, number int, c chosen) error {
	w := &logWriter{p: p, out: bytes.Buffer{}}
	switch {
	case p.o.names:
		w.prefix = c.Name + " "
	case p.many:
		w.prefix = report.ShortID(c.ID) + " "
	}
	if p.o.color {
		// Red to cyan: black and white are backgrounds.
		w.begin, w.end = fmt.Sprintf("\x1b[%dm", 31+number%6), "\x1b[0m"
	}
	err := c.Logs(ctx, p.o.LogOptions, w.records)
	return errors.Join(err, w.flushOpen())
}

// logWriter puts the records of one container together to lines.
type logWriter struct {
	p                  *logPrinter
	prefix, begin, end string
	out                bytes.Buffer
	open               [2]bytes.Buffer // of several containers, lines that are not whole yet
	inLine             [2]bool
}

// records writes a batch with few calls: out and err take turns only where
// the container's streams did.
func (w *logWriter) records(batch []libpod.LogRecord) error {
	stream := 0
	for i := range batch {
		r := &batch[i]
		if r.Stderr != (stream == 1) {
			if err := w.flush(&w.out, stream); err != nil {
				return err
			}
			stream = 1 - stream
		}
		w.add(r, stream)
	}
	return w.flush(&w.out, stream)
}

func (w *logWriter) add(r *libpod.LogRecord, stream int) {
	line := &w.out
	if w.p.many {
		line = &w.open[stream]
	}
	if !w.inLine[stream] {
		w.start(line, r.Time)
	}
	line.Write(r.Text)
	w.inLine[stream] = !r.Whole
	if !r.Whole {
		return
	}
	line.WriteString(w.end)
	line.WriteByte('\n')
	if w.p.many {
		w.out.Write(line.Bytes())
		line.Reset()
	}
}

func (w *logWriter) start(line *bytes.Buffer, t time.Time) {
	line.WriteString(w.begin)
	line.WriteString(w.prefix)
	if w.p.o.timestamps {
		line.WriteString(t.Local().Format("2006-01-02T15:04:05.000000000-07:00 "))
	}
}

func (w *logWriter) flush(line *bytes.Buffer, stream int) error {
	if line.Len() == 0 {
		return nil
	}
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	to := w.p.out
	if stream == 1 {
		to = w.p.err
	}
	_, err := to.Write(line.Bytes())
	line.Reset()
	return err
}

// flushOpen ends what never got its newline.
func (w *logWriter) flushOpen() error {
	var errs []error
	for stream := range w.open {
		if !w.inLine[stream] || w.end == "" && !w.p.many {
			continue
		}
		line := &w.open[stream]
		line.WriteString(w.end)
		if w.p.many {
			line.WriteByte('\n')
		}
		errs = append(errs, w.flush(line, stream))
	}
	return errors.Join(errs...)
}
