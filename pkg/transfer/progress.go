package transfer

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// board shows several layers under way: bars on a terminal, a line at the
// start of each elsewhere.
type board struct {
	out  io.Writer
	bars *mpb.Progress // nil without a terminal
}

func newBoard(ctx context.Context, out io.Writer) *board {
	b := &board{out: out}
	if f, ok := out.(*os.File); ok && wide(f) {
		b.bars = mpb.NewWithContext(ctx, mpb.WithOutput(out), mpb.WithWidth(40))
	}
	return b
}

// wide tells whether f is a terminal with room for a bar.
func wide(f *os.File) bool {
	columns, _, err := term.GetSize(int(f.Fd()))
	return err == nil && columns >= 40
}

// wait lets the bars end their last line.
func (b *board) wait() {
	if b.bars != nil {
		b.bars.Wait()
	}
}

func label(what string, d digest.Digest, terminal bool) string {
	if !terminal {
		return fmt.Sprintf("Copying %s %s", what, d)
	}
	hex := d.Encoded()
	return fmt.Sprintf("Copying %s %s", what, hex[:min(12, len(hex))])
}

// skipped notes a layer that is here already.
func (b *board) skipped(d digest.Digest) {
	if b.bars == nil {
		fmt.Fprintf(b.out, "Copying blob %s skipped: already exists\n", d)
		return
	}
	bar := b.bars.New(0, mpb.NopStyle(), mpb.PrependDecorators(decor.Name(label("blob", d, true)+" skipped: already exists")))
	bar.SetTotal(0, true)
}

// layerBar is one layer under way.
type layerBar struct{ bar *mpb.Bar }

// start shows a layer of size bytes (-1: unknown).
func (b *board) start(d digest.Digest, size int64) *layerBar {
	if b.bars == nil {
		fmt.Fprintln(b.out, label("blob", d, false))
		return &layerBar{}
	}
	total := max(size, 0)
	bar := b.bars.New(total,
		mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding("-").Rbound("]"),
		mpb.PrependDecorators(decor.OnComplete(decor.Name(label("blob", d, true)), label("blob", d, true)+" done")),
		mpb.BarFillerClearOnComplete(),
		mpb.AppendDecorators(
			decor.OnComplete(decor.CountersKibiByte("%.1f / %.1f"), ""),
			decor.OnComplete(decor.Name(" | "), ""),
			decor.OnComplete(decor.AverageSpeed(decor.SizeB1024(0), "%.1f"), ""),
		))
	return &layerBar{bar}
}

// reader counts what is read from r.
func (l *layerBar) reader(r io.Reader) io.Reader {
	if l.bar == nil {
		return r
	}
	return l.bar.ProxyReader(r)
}

// end stops the bar, as done or as given up.
func (l *layerBar) end(err error) {
	switch {
	case l.bar == nil:
	case err != nil:
		l.bar.Abort(false)
	default:
		l.bar.SetTotal(-1, true)
	}
}

// step prints a line of what comes after the layers.
func (c *Client) step(format string, args ...any) {
	fmt.Fprintf(c.progress, format+"\n", args...)
}
