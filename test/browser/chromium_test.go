// SPDX-License-Identifier: Apache-2.0

// Package browser_test drives the pages with Chromium: the way of a new owner through the real program, and a tour of
// every page, narrow and wide, light and dark.
//
// POSTERN_SCREENSHOTS names a folder for pictures of the tour. Without a chromium the tests are skipped, but not in CI.
package browser_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// tab opens a browser with one tab, which lasts as long as the test. What the page logs as an error fails the test.
func tab(t *testing.T) context.Context {
	t.Helper()
	ctx := loggingTab(t)
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err == nil && (m.IsException() || m.Source == "security") {
				t.Errorf("the page logged: %s", m.Text)
			}
		}
	}()
	return ctx
}

// loggingTab is a tab in which a page may log what it likes.
func loggingTab(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no chromium")
		}
		t.Skip("SKIPPED: there is no chromium; apt-get install chromium")
	}
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, flags...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		chromedp.Cancel(ctx) //nolint:errcheck // it may have ended by itself
		cancel()
	})
	// The first of a context starts the browser, and the browser ends with that one's context.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

type action = chromedp.Action[chromedp.Void]

func scheme(name string) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
		return err
	})
}

func do(t *testing.T, ctx context.Context, actions ...action) {
	t.Helper()
	step, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := chromedp.Do(step, actions...); err != nil {
		t.Fatalf("at %s: %v", where(ctx), err)
	}
}

// patience is how long a step may take on a busy machine.
const patience = 20 * time.Second

func where(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return err.Error()
	}
	return at
}

// load goes to a page and fails unless it answers with the status.
func load(t *testing.T, ctx context.Context, url string, status int64) {
	t.Helper()
	if got := press(t, ctx, chromedp.Navigate(url)); got != status {
		t.Fatalf("%s answered %d, want %d", url, got, status)
	}
}

// press does something that leads to another page, waits until that is there, and returns its status.
func press(t *testing.T, ctx context.Context, actions ...action) int64 {
	t.Helper()
	step, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	res, err := chromedp.RunResponse(step, actions...)
	if err != nil {
		t.Fatalf("at %s: %v", where(ctx), err)
	}
	return res.Status
}

// eval is what a JavaScript expression gives on the page.
func eval[T any](t *testing.T, ctx context.Context, js string) T {
	t.Helper()
	step, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := chromedp.Run(step, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("at %s: %s: %v", where(ctx), js, err)
	}
	return v
}

// until waits until a JavaScript expression holds: what a key does comes after it.
func until(t *testing.T, ctx context.Context, js string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+js+")")) // an error is a page that is being left
		switch {
		case ctx.Err() != nil:
			t.Fatalf("it never holds that %s: %v", js, err)
		case err == nil && holds:
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// click clicks on the first element that a CSS selector finds.
func click(selector string) action { return chromedp.Click(chromedp.CSS(selector)) }

// typed types into the first element that a CSS selector finds.
func typed(selector, text string) action { return chromedp.SendKeys(chromedp.CSS(selector), text) }

// seen waits for an element.
func seen(selector string) action { return chromedp.WaitVisible(chromedp.CSS(selector)) }
