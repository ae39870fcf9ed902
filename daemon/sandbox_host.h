/* The private host of a sandbox: what stands in its file system and on its loopback interface. */
#pragma once

#include "lib/error.h"

#define SANDBOX_DIR "/run/netd-sandbox" /* inside, on the private /run */

/*
 * Turns the caller's new mount, network and process namespaces into a host: nothing mounted here is
 * seen outside; /run, /etc, /proc and /sys are its own, /run/netns is shared as ip-netns(8) keeps
 * it, `lo` is up, and SANDBOX_DIR/state is an empty directory. What stood in /etc can be read and
 * replaced; no write reaches the real one. A call that is refused for want of a right is an
 * ERROR_PERMISSION.
 */
int sandbox_host_make(struct error *err);
