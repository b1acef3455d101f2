package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/carob-containers/carob/libpod"
)

// This file is kube play as the main process of a service of systemd
// (--service-container): podman has a container there that stands for all
// pods, carob stays itself until the last one has ended.

// readAllYAML reads files as one: their documents follow each other.
func (a *app) readAllYAML(ctx context.Context, files []string) ([]byte, error) {
	var all [][]byte
	for _, file := range files {
		body, err := a.readYAML(ctx, file)
		if err != nil {
			return nil, err
		}
		all = append(all, body)
	}
	return bytes.Join(all, []byte("\n---\n")), nil
}

// checkPropagation reads --service-exit-code-propagation.
func checkPropagation(how string) (string, error) {
	switch how {
	case "none", "any", "all":
		return how, nil
	}
	return "", errors.New("it is none of none, any, all")
}

// takeNotifySocket keeps the socket on which systemd is told of the service
// from the containers, none of which is the service.
func takeNotifySocket() (socket string, err error) {
	socket = os.Getenv("NOTIFY_SOCKET")
	return socket, os.Unsetenv("NOTIFY_SOCKET")
}

// serveKube tells systemd that all pods run, and stays until they have ended.
// When it is told to end itself it stops them.
func serveKube(ctx context.Context, rt *libpod.Runtime, played *libpod.Played, socket, propagation string) error {
	if socket != "" {
		if err := os.Setenv("NOTIFY_SOCKET", socket); err != nil {
			return err
		}
		if _, err := daemon.SdNotify(true, fmt.Sprintf("MAINPID=%d\n%s", os.Getpid(), daemon.SdNotifyReady)); err != nil {
			return fmt.Errorf("cannot tell systemd that the pods run: %w", err)
		}
	}
	if err := waitForPods(ctx, rt, played); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return stopPlayed(context.WithoutCancel(ctx), played)
	}
	return serviceExit(context.WithoutCancel(ctx), played, propagation) // which does not wait any more
}

func stopPlayed(ctx context.Context, played *libpod.Played) error {
	var errs []error
	for _, pod := range played.Pods {
		err := pod.Stop(ctx, nil)
		// After a kube down, as a service's ExecStop has it, there is none any more.
		if gone := new(libpod.NoPodError); !errors.As(err, &gone) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// serviceExit is the service's end after that of its containers.
func serviceExit(ctx context.Context, played *libpod.Played, propagation string) error {
	var failed error
	failures, all := 0, 0
	for _, pod := range played.Pods {
		for _, c := range pod.Containers {
			all++
			code, err := c.Wait(ctx, []string{libpod.StateExited}, time.Second)
			if err != nil {
				return err
			}
			if code > 0 {
				failures++
				failed = fmt.Errorf("container %s ended with exit code %d", c.Name, code)
			}
		}
	}
	if propagation == "any" && failures > 0 || propagation == "all" && failures > 0 && failures == all {
		return &exitError{code: 1, err: failed}
	}
	return nil
}
