/* Files below /proc that show the namespace of the thread that opens them. */
#pragma once

/* open(2) of a path relative to /proc, by a thread that has entered a namespace other than the
 * host's. Close-on-exec. */
int proc_inside_open(const char *path, int flags);
