package crash

import (
	"archive/tar"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// bigArchive is an archive of docker save with one uncompressed layer of
// about size bytes, its image named localhost/big.
func (s *site) bigArchive(size int64) string {
	s.t.Helper()
	block := make([]byte, 1<<20)
	_, _ = rand.Read(block) // never fails
	layer := filepath.Join(s.Home, "layer")
	sum := sha256.New()
	s.write(layer, func(f io.Writer) error {
		w := tar.NewWriter(io.MultiWriter(f, sum))
		for n := int64(0); n < size; n += 16 << 20 {
			err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("blob%d", n>>20), Mode: 0o644, Size: 16 << 20, Typeflag: tar.TypeReg})
			for i := 0; err == nil && i < 16; i++ {
				_, err = w.Write(block)
			}
			if err != nil {
				return err
			}
		}
		return w.Close()
	})
	archive := s.dockerArchive("big", layer, hex.EncodeToString(sum.Sum(nil)))
	if err := os.Remove(layer); err != nil {
		s.t.Fatal(err)
	}
	return archive
}

// dockerArchive puts a layer, a tar or a compressed one, whose uncompressed
// content has that SHA-256, into an archive like those of docker save.
func (s *site) dockerArchive(name, layer, diffID string) string {
	s.t.Helper()
	archive := filepath.Join(s.Home, name+".tar")
	s.write(archive, func(f io.Writer) error {
		w := tar.NewWriter(f)
		config := fmt.Sprintf(`{"architecture":%q,"os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}`,
			runtime.GOARCH, diffID)
		manifest, err := json.Marshal([]map[string]any{{
			"Config": "config.json", "RepoTags": []string{"localhost/" + name + ":latest"}, "Layers": []string{"layer.tar"},
		}})
		if err != nil {
			return err
		}
		if err := addFile(w, "manifest.json", string(manifest)); err != nil {
			return err
		}
		if err := addFile(w, "config.json", config); err != nil {
			return err
		}
		in, err := os.Open(layer)
		if err != nil {
			return err
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: "layer.tar", Mode: 0o644, Size: info.Size(), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := io.Copy(w, in); err != nil {
			return err
		}
		return w.Close()
	})
	return archive
}

func addFile(w *tar.Writer, name, text string) error {
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	return err
}

// write makes a file.
func (s *site) write(path string, fill func(io.Writer) error) {
	s.t.Helper()
	f, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	err = fill(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
