/* A private host for tests in C: everything of the network is the test's own, and ends with its
 * process. */
#pragma once

/*
 * Moves the calling program, which must have one thread, into a new user, network and mount
 * namespace: root in there without being root here, with nothing but `lo`, which is up, an empty
 * /run and a /sys of that network. Call it first in main(). Exits with 77 (skipped) where this
 * kernel does not allow it.
 */
void host_enter(void);

/* The same once more, for one test of such a program: a new network, /run and /sys, in a forked
 * process of its own. */
void host_renew(void);
