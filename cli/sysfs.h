/* The /sys of the network namespace that the caller is in. */
#pragma once

/* Puts it over /sys of the caller's own mount namespace, read-only if /sys was; what is mounted
 * below /sys stays visible where that can be done. Returns 0 or a negative errno: then nothing has
 * changed. */
int sysfs_mount(void);
