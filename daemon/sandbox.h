/*
 * `netd --sandbox -- CMD`: a private host with a running daemon, for as long as one command takes.
 * Nothing of it is seen from this machine, and nothing of it stays.
 */
#pragma once

#include "lib/error.h"

/*
 * Makes a host of its own (user, mount, network and process namespaces; its own /run, /etc, /proc
 * and /sys), starts `netd_path` in it, waits until that is ready, and runs `command`
 * (NULL-terminated, looked up in PATH) with NETD_SOCKET set and netd's own directory first in PATH.
 * What ends or leaves `command` ends the whole host.
 *
 * Returns the command's status as sh would (126, 127, 128 + signal), or a negative errno where
 * there was no host or no daemon to run it with. The caller must have one thread. SIGINT, SIGTERM,
 * SIGHUP and SIGQUIT are the command's for that time.
 */
int sandbox_run(const char *netd_path, char *const *command, struct error *err);
