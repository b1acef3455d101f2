package main

import (
	"github.com/spf13/cobra"
)

func newTag(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "tag IMAGE NAME [NAME...]",
		Short: "Give an image another name",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := a.openImages()
			if err != nil {
				return err
			}
			img, err := store.Lookup(args[0])
			if err != nil {
				return err
			}
			for _, name := range args[1:] {
				if err := img.Tag(name); err != nil {
					return err
				}
				a.imageEvent("tag", img.ID, name)
			}
			return nil
		},
		ValidArgsFunction: a.completeImages,
	}
}

func newUntag(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "untag IMAGE [NAME...]",
		Short: "Take names from an image, all of them when none is given",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := a.openImages()
			if err != nil {
				return err
			}
			img, err := store.Lookup(args[0])
			if err != nil {
				return err
			}
			names := args[1:]
			if len(names) == 0 {
				names = []string{""}
			}
			for _, name := range names {
				if err := img.Untag(name); err != nil {
					return err
				}
				a.imageEvent("untag", img.ID, name)
			}
			return nil
		},
		ValidArgsFunction: a.completeImages,
	}
}
