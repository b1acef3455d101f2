package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carob-containers/carob/pkg/image"
	"github.com/carob-containers/carob/pkg/report"
)

func newImageTree(a *app) *cobra.Command {
	whatRequires := false
	cmd := &cobra.Command{
		Use:   "tree [options] IMAGE",
		Short: "Show the layers of an image",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return runImageTree(a, whatRequires, args[0]) },

		ValidArgsFunction: a.completeImages,
	}
	cmd.Flags().BoolVar(&whatRequires, "whatrequires", false, "show the layers that other images put on top")
	return cmd
}

func runImageTree(a *app, whatRequires bool, name string) error {
	store, err := a.openImages()
	if err != nil {
		return err
	}
	img, err := store.Lookup(name)
	if err != nil {
		return err
	}
	list, err := store.List()
	if err != nil {
		return err
	}
	t := &layerTree{out: a.out, tops: map[string][]string{}, children: map[string][]image.Layer{}}
	var item *image.Item
	for _, i := range list.Items {
		t.add(i)
		if i.ID == img.ID {
			item = i
		}
	}
	if item == nil {
		return &image.NotFoundError{Name: name}
	}
	fmt.Fprintf(a.out, "Image ID: %s\nTags:     %v\nSize:     %s\n", report.ShortID(item.ID), item.Names, report.TightSize(item.Size))
	chain := item.Chain()
	switch {
	case len(chain) == 0:
		fmt.Fprintln(a.out, "No Image Layers")
	case whatRequires:
		top := chain[len(chain)-1]
		fmt.Fprintf(a.out, "Image Layers\n")
		t.printBranch("", "└── ", "    ", top)
	default:
		fmt.Fprintf(a.out, "Image Layers\n")
		t.printChain(chain)
	}
	return nil
}

// layerTree knows which images end at a layer, and which layers stand on it.
type layerTree struct {
	out      io.Writer
	tops     map[string][]string
	children map[string][]image.Layer
}

func (t *layerTree) add(i *image.Item) {
	chain := i.Chain()
	for n, layer := range chain {
		known := false
		for _, c := range t.children[layer.Parent] {
			known = known || c.ID == layer.ID
		}
		if !known {
			t.children[layer.Parent] = append(t.children[layer.Parent], layer)
		}
		if n == len(chain)-1 {
			t.tops[layer.ID] = append(t.tops[layer.ID], i.Names...)
		}
	}
}

func (t *layerTree) line(layer image.Layer) string {
	text := fmt.Sprintf("ID: %s Size: %7s", report.ShortID(layer.ID), report.TightSize(layer.Size))
	if names := t.tops[layer.ID]; len(names) > 0 {
		text += fmt.Sprintf(" Top Layer of: [%s]", strings.Join(names, " "))
	}
	return text
}

func (t *layerTree) printChain(chain []image.Layer) {
	for n, layer := range chain {
		branch := "├── "
		if n == len(chain)-1 {
			branch = "└── "
		}
		fmt.Fprintln(t.out, branch+t.line(layer))
	}
}

// printBranch prints a layer and, indented, what stands on it.
func (t *layerTree) printBranch(indent, branch, below string, layer image.Layer) {
	fmt.Fprintln(t.out, indent+branch+t.line(layer))
	above := t.children[layer.ID]
	for n, child := range above {
		if n == len(above)-1 {
			t.printBranch(indent+below, "└── ", "    ", child)
		} else {
			t.printBranch(indent+below, "├── ", "│   ", child)
		}
	}
}
