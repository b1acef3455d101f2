package transfer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/containers/image/v5/pkg/compression"
	graphdriver "github.com/containers/storage/drivers"
	"github.com/containers/storage/pkg/archive"
	"github.com/containers/storage/pkg/chrootarchive"
	"github.com/containers/storage/pkg/tarlog"
	"github.com/docker/go-units"
	"github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/archive/tar"
	"github.com/vbatts/tar-split/tar/asm"
	tarsplit "github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"
)

// A layer on its way into the store, one pass, nothing kept in between:
//
//	blob ─ digest ─ decompress ─ limit ─ diffID, size ─ ids ─ tar-split ─ untar
//
// The digests are checked when the last byte is through, before the store
// hears of the layer. It has the shape containers/storage asks of a differ,
// so that unpacking goes to a staging directory and needs no lock.
type unpacker struct {
	blob   io.Reader
	digest digest.Digest // of blob; "" when it need not be checked
	diffID digest.Digest // of the tar in it, as the image's config has it
	limit  limit
}

var _ graphdriver.Differ = (*unpacker)(nil)

// ApplyDiff unpacks the blob into dest.
func (u *unpacker) ApplyDiff(dest string, o *archive.TarOptions, _ *graphdriver.DifferOptions) (graphdriver.DriverWithDifferOutput, error) {
	split, err := tempFile()
	if err != nil {
		return graphdriver.DriverWithDifferOutput{}, err
	}
	out, err := u.apply(dest, o, split)
	if err == nil {
		err = syncDir(dest)
	}
	if err != nil {
		split.Close()
		return graphdriver.DriverWithDifferOutput{}, err
	}
	out.TarSplit = split
	return out, nil
}

// Close has nothing to free: the blob belongs to the caller.
func (u *unpacker) Close() error { return nil }

// contents is what the headers of a layer tell besides the files.
type contents struct {
	uids, gids map[uint32]struct{}
	hasRoot    bool // the root directory itself is in the layer
}

func (c *contents) note(h *tar.Header) {
	if strings.HasPrefix(path.Base(h.Name), archive.WhiteoutPrefix) {
		return
	}
	c.uids[uint32(h.Uid)] = struct{}{}
	c.gids[uint32(h.Gid)] = struct{}{}
	if path.Clean(h.Name) == "." || path.Clean(h.Name) == "/" {
		c.hasRoot = true
	}
}

func (u *unpacker) apply(dest string, o *archive.TarOptions, split *os.File) (out graphdriver.DriverWithDifferOutput, err error) {
	blobSum := digest.Canonical.Digester()
	compressed := &counter{r: io.TeeReader(u.blob, blobSum.Hash())}
	tarStream, closeTar, err := decompress(compressed)
	if err != nil {
		return out, err
	}
	defer closeTar()
	seen := contents{uids: map[uint32]struct{}{}, gids: map[uint32]struct{}{}}
	log, err := tarlog.NewLogger(seen.note)
	if err != nil {
		return out, err
	}
	tarSum := digest.Canonical.Digester()
	plain := &counter{r: &guard{r: tarStream, in: compressed, limit: u.limit}}
	packed := bufio.NewWriter(split)
	payload, err := asm.NewInputTarStream(
		io.TeeReader(plain, io.MultiWriter(tarSum.Hash(), log)),
		tarsplit.NewJSONPacker(packed), tarsplit.NewDiscardFilePutter())
	if err != nil {
		return out, errors.Join(err, log.Close())
	}
	err = chrootarchive.UntarUncompressed(payload, dest, o)
	if err == nil {
		// What follows the end of the archive counts for the digests.
		_, err = io.Copy(io.Discard, payload)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, compressed)
	}
	if err != nil {
		// The other end of the pipe is told, and keeps what it was writing.
		if c, ok := payload.(io.Closer); ok {
			c.Close()
		}
		return out, plain.failure(err)
	}
	if err := errors.Join(log.Close(), packed.Flush()); err != nil {
		return out, err
	}
	if err := u.check(blobSum.Digest(), tarSum.Digest()); err != nil {
		return out, err
	}
	out = graphdriver.DriverWithDifferOutput{
		Differ: u, Target: dest, Size: plain.count(),
		UncompressedDigest: tarSum.Digest(), CompressedDigest: blobSum.Digest(),
		UIDs: slices.Sorted(maps.Keys(seen.uids)), GIDs: slices.Sorted(maps.Keys(seen.gids)),
	}
	if seen.hasRoot {
		st, err := os.Stat(dest)
		if err != nil {
			return out, err
		}
		mode := st.Mode()
		out.RootDirMode = &mode
	}
	return out, nil
}

func (u *unpacker) check(blob, tarball digest.Digest) error {
	if u.digest != "" && blob != u.digest {
		return fmt.Errorf("layer %s has the wrong content: its digest is %s", u.digest, blob)
	}
	if u.diffID != "" && tarball != u.diffID {
		return fmt.Errorf("layer %s has the wrong content: unpacked it is %s, the image says %s", u.digest, tarball, u.diffID)
	}
	return nil
}

func decompress(r io.Reader) (io.Reader, func(), error) {
	decompressor, r, err := compression.DetectCompression(r)
	if err != nil {
		return nil, nil, err
	}
	if decompressor == nil {
		return r, func() {}, nil
	}
	plain, err := decompressor(r)
	if err != nil {
		return nil, nil, err
	}
	return plain, func() { plain.Close() }, nil
}

// counter counts bytes and remembers why the stream broke, because what
// unpacks on the other side of a pipe reports only that it did.
type counter struct {
	r io.Reader

	// Decompressors read ahead in goroutines of their own.
	mu  sync.Mutex
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

func (c *counter) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *counter) failure(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return err
}

// limit says how big a layer may be unpacked.
type limit struct {
	bytes int64 // 0: no limit
	ratio int64 // of unpacked to packed, once it is beyond ratioFrom; 0: no limit
	// packed is the size of the file all layers are in, where they are read
	// unpacked from it; 0: the blob itself tells.
	packed int64
}

const (
	limitEnv = "CAROB_MAX_LAYER_SIZE"
	// A layer of real files hardly shrinks to a tenth; of zeros gzip leaves
	// between a 230th (-1) and a thousandth (-6). What is beyond this was made
	// to fill a disk.
	maxRatio  = 200
	ratioFrom = 1 << 30 // bytes
)

// layerLimit reads the limit from the environment: a size such as 20g, or 0
// for none. Without it only the ratio is watched.
func layerLimit() (limit, error) {
	text := os.Getenv(limitEnv)
	if text == "" {
		return limit{ratio: maxRatio}, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n < 0 {
		return limit{}, fmt.Errorf("cannot use %s=%s: it is not a size", limitEnv, text)
	}
	return limit{bytes: n}, nil
}

// TooBigError is a layer that unpacks to more than is allowed.
type TooBigError struct{ Bytes int64 }

func (e *TooBigError) Error() string {
	return fmt.Sprintf("a layer unpacks to more than %s", units.BytesSize(float64(e.Bytes)))
}

// Hint names the variable that raises the limit.
func (e *TooBigError) Hint() string {
	return "if that is right, set " + limitEnv + " to a bigger size, or to 0 for no limit"
}

// guard ends a stream that grows beyond the limit.
type guard struct {
	r     io.Reader
	in    *counter
	limit limit
	n     int64
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	g.n += int64(n)
	if g.limit.bytes > 0 && g.n > g.limit.bytes {
		return 0, &TooBigError{g.limit.bytes}
	}
	packed := g.in.count()
	if g.limit.packed > 0 {
		packed = min(packed, g.limit.packed)
	}
	if g.limit.ratio > 0 && g.n > ratioFrom && g.n > packed*g.limit.ratio {
		return 0, &TooBigError{ratioFrom}
	}
	return n, err
}

// tempFile is a file without a name.
func tempFile() (*os.File, error) {
	f, err := os.CreateTemp(tempDir(), "carob-layer-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot make a temporary file: %w", err)
	}
	return f, nil
}

// syncDir puts the unpacked files on disk before the store records the layer:
// a power failure must not leave a layer that looks complete.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("cannot write a layer to disk: %w", err)
	}
	return nil
}
