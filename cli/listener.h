/* Which process has a socket open. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct listener {
	pid_t pid;
	char program[64];
};

/* Looks for the socket with this inode among the descriptors that the caller may see. */
bool listener_find(unsigned long long inode, struct listener *ret);
