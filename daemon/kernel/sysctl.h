/* Values below /proc/sys, of the host and of namespaces; paths are relative to it, with '/'. */
#pragma once

#include "daemon/kernel/kernel.h"

#define SYSCTL_VALUE_SIZE SYSCTL_TEXT_SIZE

/* The value without its newline. -ENOENT where there is no such file (its interface is gone), with
 * a sentence. */
int sysctl_read(const char *ns, const char *path, char ret[SYSCTL_VALUE_SIZE], struct error *err);

/* The same, of the namespace that the calling thread has entered. */
int sysctl_read_inside(const char *path, char ret[SYSCTL_VALUE_SIZE], struct error *err);

/* 1: netd changed this sysctl of the host in this boot and still has its old value to restore. 0:
 * it did not. */
int sysctl_journal_has(struct kernel *kernel, const char *path, struct error *err);
