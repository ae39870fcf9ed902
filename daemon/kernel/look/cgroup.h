/* From the number of a cgroup, as sock_diag gives it, to a name for a person. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The systemd unit of this cgroup (v2): the last part of its path that is one; else the path; ""
 * where it is not found. */
void look_cgroup(uint64_t id, char *ret, size_t size);

/* The same for a path that is known: "" (the root) or "/system.slice/web.service". */
void look_cgroup_unit(const char *path, char *ret, size_t size);
